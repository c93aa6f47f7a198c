"""The documents name what is there, all of it, and their commands run as typed."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tasks_lib.api.errors import CODES as API_CODES
from tasks_lib.cli import app, run
from tasks_lib.domain import events
from tasks_lib.domain.fields import CONSTRAINTS, FieldType
from tasks_lib.domain.problems import CODES
from tasks_lib.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
ZIP_MODULES = (
    "intake/archive*.py", "intake/member*.py", "intake/ranges.py", "intake/zip_intake.py",
    "operations/seed_from_zip.py", "operations/stored_files.py", "storage/uploads.py",
)  # fmt: skip
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")


def commands_of(page: Path) -> list[str]:
    """Return the lines of a page's shell blocks that call our command."""
    blocks = "".join(BLOCK.findall(page.read_text(encoding="utf-8")))
    return [line for line in blocks.splitlines() if line.startswith(".venv/bin/seeding ")]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if commands_of(page)], ids=lambda p: p.name
)
def test_every_command_runs_as_typed(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    commands = commands_of(page)
    statuses = [run(shlex.split(command)[1:]) for command in commands]
    assert dict(zip(commands, statuses, strict=True)) == dict.fromkeys(commands, 0)


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name
)
def test_every_example_of_a_catalogue_can_be_applied(example: Path) -> None:
    assert run(["apply", str(example)]) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [target for target, _ in LINK.findall(page.read_text(encoding="utf-8"))]
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_reference_explains_every_error_code_and_no_other() -> None:
    section = REFERENCE.split("## Error codes")[1].split("## Events")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)) == CODES


def test_the_reference_explains_every_error_of_the_api_and_no_other() -> None:
    section = REFERENCE.split("## Errors of the External API")[1]
    told = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (.+) \|$", section, re.MULTILINE)
    assert told == [(str(status), code, meaning) for code, (status, meaning) in API_CODES.items()]


def test_the_page_of_zips_lists_every_refusal_that_a_zip_adds() -> None:
    page = (ROOT / "docs" / "seed-zip.md").read_text(encoding="utf-8")
    section = page.split("## What is refused")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| .+ \|$", section, re.MULTILINE)
    modules = [path for pattern in ZIP_MODULES for path in (ROOT / "tasks_lib").glob(pattern)]
    raised = "".join(path.read_text(encoding="utf-8") for path in modules)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == {
        *re.findall(r'Problem(?:Error)?\(\s*"(\w+)"', raised),
        *("not_csv", "required"),  # which any CSV may be refused for
    }


def test_the_reference_explains_every_setting_and_no_other() -> None:
    section = REFERENCE.split("## Settings")[1].split("## Error codes")[0]
    documented = re.findall(r"^\| `SEEDING_(\w+)` \| .+ \| (.+) \|$", section, re.MULTILINE)
    settings = Settings.model_fields.items()
    assert documented == [(name.upper(), field.description) for name, field in settings]


def test_the_reference_names_every_command_and_no_other() -> None:
    section = REFERENCE.split("## Commands")[1].split("## Report")[0]
    documented = set(
        re.findall(r"^\| `seeding ([a-z -]+?)(?: [A-Z\[].*)?` \|", section, re.MULTILINE)
    )
    assert documented == set(command_names())


def command_names() -> list[str]:
    """Return every command that can be run, with the group that it belongs to."""
    names = []
    for name in app:
        if not name.startswith("-"):
            below = [sub for sub in app[name] if not sub.startswith("-")]
            names.extend([f"{name} {sub}" for sub in below] or [name])
    return names


def test_the_reference_names_every_event() -> None:
    constants = [value for value in vars(events).values() if isinstance(value, str)]
    names = {value for value in constants if value.startswith("seeding.")}
    assert set(re.findall(r"^\| `(seeding\.\w+\.\w+)`", REFERENCE, re.MULTILINE)) == names


def test_the_catalogue_page_names_every_type_and_constraint() -> None:
    page = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    words = set(re.findall(r"`(\w+)`", page))
    assert {*FieldType, *CONSTRAINTS} <= words
