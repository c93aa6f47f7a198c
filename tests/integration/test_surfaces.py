"""One meaning has one name: as an option, as a flow's parameter, and as a member of JSON."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App
from prefect import Flow

import tasks_lib
from command_line import Seeding
from flows.bulk_create import bulk_create
from flows.seed_from_csv import seed_from_csv
from flows.seed_from_dataset import seed_from_dataset
from flows.seed_from_pipeline import seed_from_pipeline
from flows.seed_from_zip import seed_from_zip
from tasks_lib.api.wire.infinite import InfiniteSeeding
from tasks_lib.api.wire.tasks import WholeTask
from tasks_lib.cli import app
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import TaskStatus

LIBRARY = Path(tasks_lib.__file__).parent
PATH = "acme/reviews/label-reviews"
FLOWS: dict[str, Flow[..., Any]] = {
    "csv": seed_from_csv,
    "zip": seed_from_zip,
    "dataset": seed_from_dataset,
    "pipeline": seed_from_pipeline,
    "bulk": bulk_create,
}
ONE_ENTRY_AT_A_TIME = {"map": "mapping", "label": "labels"}
"""Options that are repeated, and the parameters that hold all entries."""

REQUIRED = "(required)"
OF_COMMANDS = {"json", "deployed"}
OF_FLOWS = {"review", "review_minutes", "upload"}
"""A form in Prefect's UI, and what the External API passes to the runs that it starts."""


def options_of(command: App) -> dict[str, Any]:
    """Return the defaults of a command's arguments and options, spelled like flow parameters."""
    return {
        argument.name.lstrip("-").replace("-", "_").lower(): (
            REQUIRED if argument.required else argument.field_info.default
        )
        for argument in command.assemble_argument_collection()
    }


def without_empty(defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults with None for every empty one: the run form has no tuples."""
    empty: tuple[object, ...] = ("", (), [], {}, False, None)
    return {name: None if default in empty else default for name, default in defaults.items()}


@pytest.mark.parametrize("kind", FLOWS)
def test_a_seed_command_and_its_flow_take_the_same_parameters(kind: str) -> None:
    options = {
        ONE_ENTRY_AT_A_TIME.get(name, name): default
        for name, default in options_of(app["seed"][kind]).items()
        if name not in OF_COMMANDS
    }
    properties = FLOWS[kind].parameters.properties
    required = FLOWS[kind].parameters.required or []
    parameters = {
        name: REQUIRED if name in required else schema.get("default")
        for name, schema in properties.items()
        if name not in OF_FLOWS
    }
    assert without_empty(options) == without_empty(parameters)


def test_every_seed_command_has_a_flow() -> None:
    assert {name for name in app["seed"] if not name.startswith("-")} == set(FLOWS)


def commands(group: App = app, path: str = "seeding") -> Iterator[tuple[str, App]]:
    """Yield every command and command group with the words that call it."""
    for name in group:
        if not name.startswith("-"):
            yield f"{path} {name}", group[name]
            yield from commands(group[name], f"{path} {name}")


def test_every_command_group_and_option_has_a_help_text() -> None:
    lacking = [path for path, command in commands() if not command.help]
    for path, command in commands():
        if command.default_command is not None:
            lacking += [
                f"{path} {argument.name}"
                for argument in command.assemble_argument_collection(parse_docstring=True)
                if not argument.parameter.help
            ]
    assert lacking == []


def test_no_option_has_a_negative_form() -> None:
    names = [
        name
        for _, command in commands()
        if command.default_command is not None
        for argument in command.assemble_argument_collection()
        for name in argument.names
    ]
    assert [name for name in names if name.startswith(("--no-", "--empty-"))] == []


@pytest.mark.parametrize("path", [path for path, _ in commands()])
def test_help_shows_no_empty_default(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Seeding(capsys)(*path.split()[1:], "--help")[1]
    assert "Usage: " in shown
    assert [noise for noise in ('""', "()", "False", "None") if f"default: {noise}" in shown] == []


@pytest.mark.parametrize(
    "package", ["operations", "domain", "intake", "storage", "store", "transport"]
)
def test_below_the_command_line_nothing_names_commands_or_options(package: str) -> None:
    words = {f"seeding {name}" for name in app if not name.startswith("-")} | {
        name
        for _, command in commands()
        if command.default_command is not None
        for argument in command.assemble_argument_collection()
        for name in argument.names
        if name.startswith("--")
    }
    spoken = re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, words)) + r")(?![\w-])")
    matches = {
        f"{path.name}: {match[1]}"
        for path in (LIBRARY / package).rglob("*.py")
        for match in spoken.finditer(path.read_text(encoding="utf-8"))
    }
    assert matches == set()


@pytest.fixture
def seeding_with_task(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, catalogue_file: Path
) -> Seeding:
    """The command line on a store with one task."""
    source = tmp_path / "reviews.csv"
    source.write_text("review_id,body,stars\n1,one,5\n", encoding="utf-8")
    seeding = Seeding(capsys)
    seeding("apply", str(catalogue_file))
    seeding("seed", "csv", PATH, str(source))
    return seeding


def members_missing(members: Iterable[str], document: dict[str, Any]) -> set[str]:
    """Return the members of the API's model that the document of the command line lacks."""
    return set(members) - set(document)


def test_a_report_and_a_task_have_the_members_that_they_have_in_the_api(
    seeding_with_task: Seeding,
) -> None:
    source = json.loads(seeding_with_task("groups", "list", PATH, "--json")[1])[0]["source"]
    _, report = seeding_with_task.json(
        "seed", "csv", PATH, source, "--dry-run", "--allow-duplicate"
    )
    _, task = seeding_with_task.json("tasks", "show", "1")
    assert members_missing(Report.model_fields, report) == set()
    assert members_missing(WholeTask.__required_keys__, task) == set()


def test_infinite_seeding_has_the_members_that_it_has_in_the_api(
    seeding_with_task: Seeding,
) -> None:
    _, seeding = seeding_with_task.json("infinite", "enable", PATH)
    assert members_missing(InfiniteSeeding.__required_keys__, seeding) == set()


def test_a_status_is_spelled_as_in_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    out = Seeding(capsys)("tasks", "list", "--help")[1]
    assert "[choices: " + ", ".join(TaskStatus) in " ".join(out.replace("│", " ").split())
