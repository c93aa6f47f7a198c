"""The site and the package's long description: no dead links, nothing from other hosts."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from email import message_from_bytes
from html.parser import HTMLParser
from pathlib import Path
from zipfile import ZipFile

import pytest

from hatch_build import long_description as describe
from pages import DOCS, ROOT

LOADS = {
    ("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "srcset"),
}  # fmt: skip
OTHER_HOST = re.compile(r"^(?:[a-z]+:)?//")


def build(docs: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build a site with the options of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (options,) = re.findall(r"sphinx-build (.+) docs build/docs$", makefile, re.MULTILINE)
    words = options.replace("build/doctrees", str(site / "doctrees")).split()
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *words, str(docs), str(site / "html")],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make docs`` builds it; the one that ``make check`` built, if it is current."""
    question = ["make", "--question", "build/docs/built", f"VENV={sys.prefix}"]
    if subprocess.run(question, cwd=ROOT, check=False, capture_output=True).returncode == 0:
        return ROOT / "build" / "docs"
    folder = tmp_path_factory.mktemp("site")
    built = build(DOCS, folder)
    assert (built.returncode, built.stderr) == (0, "")
    return folder / "html"


class Loads(HTMLParser):
    """Collects the URLs that a browser loads with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.urls += [value or "" for name, value in attributes if (tag, name) in LOADS]


def loads_of(site: Path) -> Iterator[str]:
    for page in site.rglob("*.html"):
        parser = Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        yield from parser.urls
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        yield from re.findall(r"(?:@import|url\()\s*[\"']?([^\"')]+)", text)


def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    loaded = set(loads_of(site))
    assert [place for place in loaded if OTHER_HOST.match(place)] == []
    assert "_static/styles/furo.css" in {place.partition("?")[0] for place in loaded}


def test_every_page_is_on_the_site_and_can_be_searched(site: Path) -> None:
    pages = {page.relative_to(DOCS).with_suffix("") for page in DOCS.rglob("*.md")}
    built = {page.relative_to(site).with_suffix("") for page in site.rglob("*.html")}
    assert pages - built == set()
    assert (site / "searchindex.js").is_file()


DEAD_ENDS = {
    "[a page](nothing.md)": "cross-reference target not found: 'nothing.md'",
    "[a heading](index.md#nothing)": "local id not found in doc 'index': 'nothing'",
    "![](nothing.png)": "image file not readable: nothing.png",
}


def test_dead_ends_and_pages_outside_the_navigation_fail_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    for name in ("_ext", "_static"):
        shutil.copytree(DOCS / name, docs / name)
    shutil.copy(DOCS / "conf.py", docs)
    dead_ends = "\n\n".join(DEAD_ENDS)
    (docs / "index.md").write_text(f"# A small site\n\n{dead_ends}\n", encoding="utf-8")
    (docs / "new.md").write_text("# New\n", encoding="utf-8")
    built = build(docs, tmp_path / "site")
    assert built.returncode != 0
    complaints = [*DEAD_ENDS.values(), "new.md: WARNING: document isn't included in any toctree"]
    assert [complaint for complaint in complaints if complaint not in built.stderr] == []


@pytest.fixture(scope="module")
def long_description(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The long description in the metadata of a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return str(message_from_bytes(archive.read(name)).get_payload())


def test_links_and_images_of_the_long_description_work_anywhere(long_description: str) -> None:
    targets = re.findall(r"\]\(([^)]*)\)|(?:src|href)=\"([^\"]*)", long_description)
    places = ["".join(target) for target in targets]
    assert places != []
    assert [place for place in places if not place.startswith("https://")] == []
    assert "in the repository" not in long_description


def test_the_long_description_is_the_readme(long_description: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .+", readme, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    is_public = "Repository" in project.get("urls", {})
    kept = [heading for heading in headings if is_public or heading != "## Documentation"]
    assert re.findall(r"^#+ .+", long_description, re.MULTILINE) == kept


README = """# Seeds

Run by [Prefect](https://docs.prefect.io), see [Why](docs/why.md#fit).

![A picture](docs/run.png)

<!-- only in the repository -->
## Documentation

[Install](docs/install.md)
<!-- end of: only in the repository -->

## License
"""
WITHOUT_A_URL = """# Seeds

Run by [Prefect](https://docs.prefect.io), see Why.

## License
"""
WITH_A_URL = """# Seeds

Run by [Prefect](https://docs.prefect.io), see [Why](https://code.example/seeds/blob/HEAD/docs/why.md#fit).

![A picture](https://code.example/seeds/raw/HEAD/docs/run.png)

## Documentation

[Install](https://code.example/seeds/blob/HEAD/docs/install.md)

## License
"""


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        pytest.param(None, WITHOUT_A_URL, id="no URL"),
        pytest.param("https://code.example/seeds", WITH_A_URL, id="a URL"),
        pytest.param("https://code.example/seeds/", WITH_A_URL, id="a URL with a slash"),
    ],
)
def test_relative_links_become_absolute_or_are_left_out(
    repository: str | None, expected: str
) -> None:
    assert describe(README, repository) == expected
