"""CONTRIBUTING.md lists every place that a way of seeding touches, and no more."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tasks_lib.operations.seeding import loading

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RECIPE = PAGE.split("### The operation")[1].split("\n#")[0]
MEMBERS = [
    name
    for listed in re.findall(r"\((`.+?)\)", RECIPE)
    for name in re.findall(r"`(\w+)`", listed.partition(" returns")[0])
]
"""The members of RowSource that the recipe names in parentheses."""

PRODUCT = ("tasks_lib", "flows", "deployments")


class Place(NamedTuple):
    """A file or a pattern of files; ``<way>`` in it stands for the way's name."""

    pattern: str
    is_always_needed: bool

    def files(self, way: str) -> set[Path]:
        """Return the files that match the pattern."""
        return set(ROOT.glob(self.pattern.replace("<way>", way)))


PLACES = [
    Place(pattern, needed == "always")
    for pattern, needed in re.findall(r"^\| `(.+?)` \| (always|sometimes) \|", PAGE, re.MULTILINE)
]
ALWAYS = [place for place in PLACES if place.is_always_needed]
SOMETIMES = [place for place in PLACES if not place.is_always_needed]


def names_in(folder: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.py")}


WAYS = sorted(names_in("flows") & names_in("tasks_lib/operations/seeding") - {"__init__"})
"""A way of seeding has a flow and an operation of the same name."""


def product_files() -> set[Path]:
    sources = {path for package in PRODUCT for path in (ROOT / package).rglob("*.py")}
    return sources | {ROOT / "prefect.yaml"}


def mentions(path: Path, way: str) -> bool:
    """Tell whether a file names the way, or is named after it."""
    spellings = rf"\b{way}\b|\b{way.replace('_', '-')}\b"
    return path.stem == way or bool(re.search(spellings, path.read_text(encoding="utf-8")))


def test_these_are_the_ways_of_seeding() -> None:
    assert WAYS == [
        "bulk_create", "seed_from_csv", "seed_from_dataset", "seed_from_pipeline", "seed_from_zip",
    ]  # fmt: skip


@pytest.mark.parametrize("place", ALWAYS, ids=lambda place: place.pattern)
@pytest.mark.parametrize("way", WAYS)
def test_a_place_that_is_always_needed_mentions_the_way(place: Place, way: str) -> None:
    assert any(mentions(path, way) for path in place.files(way))


@pytest.mark.parametrize("place", SOMETIMES, ids=lambda place: place.pattern)
def test_a_place_that_is_sometimes_needed_mentions_some_way(place: Place) -> None:
    assert any(mentions(path, way) for way in WAYS for path in place.files(way))


@pytest.mark.parametrize("way", WAYS)
def test_no_other_file_of_the_product_mentions_the_way(way: str) -> None:
    listed = {path for place in PLACES for path in place.files(way)}
    unlisted = sorted(path for path in product_files() - listed if mentions(path, way))
    assert [path.relative_to(ROOT).as_posix() for path in unlisted] == []


def test_the_table_is_read() -> None:
    assert (len(ALWAYS), len(SOMETIMES)) == (11, 3)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z_]+/[a-z_/.]*[a-z/])`", PAGE))))
def test_every_path_that_the_page_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`loading\.(\w+)`", PAGE))))
def test_every_function_of_the_recipe_exists(name: str) -> None:
    assert hasattr(loading, name)


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_of_the_protocol_exists(name: str) -> None:
    assert hasattr(loading.RowSource, name)


def test_every_command_of_the_makefile_is_listed_and_no_other() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE)
    assert sorted(re.findall(r"^\| `make ([a-z-]+)` \|", PAGE, re.MULTILINE)) == sorted(targets)


def prose_of(path: Path) -> list[str]:
    """Return the lines of a page outside of blocks, tables, and what cannot be wrapped."""
    text = path.read_text(encoding="utf-8")
    lines = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL).splitlines()
    return [line for line in lines if not line.lstrip().startswith(("|", "![", "<"))]


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_lines_of_a_page_wrap_at_100_characters(path: Path) -> None:
    assert [line for line in prose_of(path) if len(line) > 100 and " " in line.strip()] == []
