"""The documents name what is there, all of it, and their commands run as typed."""

import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import prefect.settings
import pytest
import yaml
from prefect_redis.client import RedisMessagingSettings

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
MODULE = re.compile(r"`python -m ([a-z_.]+)")
INSTALLED = "".join(
    (ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "compose.yaml")
).replace(" --no-cache-dir", "")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")


def lines_of(page: Path) -> list[str]:
    """Return the lines of a page's shell blocks, without comments."""
    blocks = "".join(BLOCK.findall(page.read_text(encoding="utf-8")))
    return [line.split("  #")[0].rstrip() for line in blocks.splitlines()]


def commands_of(page: Path) -> list[str]:
    """Return the lines that call our command."""
    return [line for line in lines_of(page) if line.startswith(".venv/bin/seeding ")]


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


def is_setting(name: str) -> bool:
    """Tell whether the variable means something to us, to Prefect, or to who reaches S3."""
    kind, _, rest = name.partition("_")
    if rest.startswith("REDIS_MESSAGING_"):
        return rest.removeprefix("REDIS_MESSAGING_").lower() in RedisMessagingSettings.model_fields
    return {
        "SEEDING": rest.lower() in Settings.model_fields,
        "PREFECT": hasattr(prefect.settings, name),
        "AWS": True,
    }[kind]


def test_every_setting_of_the_compose_file_is_one() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    names = {name for service in services.values() for name in service.get("environment", {})}
    ours = [name for name in names if not name.startswith("POSTGRES_")]
    assert [name for name in ours if not is_setting(name)] == []


def is_run_elsewhere(line: str) -> bool:
    """Tell whether a line that is not our command is what another test runs.

    Without Docker and the servers of the examples, some are run in parts: what ``docker compose
    up`` does by test_compose, settings as those of the same name.
    """
    program, *words = shlex.split(line)
    match program:
        case "make":
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            return re.search(rf"^{words[0]}:", makefile, re.MULTILINE) is not None
        case "export":
            return is_setting(words[0].partition("=")[0])
        case "docker":
            return words[:3] == ["compose", "exec", "api"] or words[:2] == ["compose", "up"]
        case "pg_dump" | "pg_restore" | "python":
            return line in (ROOT / "docs" / "operations.md").read_text().split("## Backup")[1]
        case _:
            return line in INSTALLED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_other_line_of_a_shell_is_run_by_another_test(page: Path) -> None:
    others = [line for line in lines_of(page) if not line.startswith(".venv/bin/seeding ")]
    assert [line for line in others if not is_run_elsewhere(line)] == []


@pytest.mark.parametrize(
    "module",
    sorted({name for page in PAGES for name in MODULE.findall(page.read_text(encoding="utf-8"))}),
)
def test_every_module_that_a_page_runs_is_there(module: str) -> None:
    assert find_spec(module) is not None


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
