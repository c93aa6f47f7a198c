"""The reference is complete: its generators leave nothing out, and its tables match the code."""

import ast
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest
from reference_pages import (
    codes,
    command_line,
    deployments,
    http_api,
    markdown,
    models,
    python_functions,
)
from starlette.routing import Route
from test_import_rules import MAY_IMPORT

import tasks_lib
from tasks_lib.api.access import BASE_PATH
from tasks_lib.api.app import create_app
from tasks_lib.cli import app
from tasks_lib.deploy.manifest import load_flows, read_manifest
from tasks_lib.domain import events
from tasks_lib.domain.catalogue import PipelineEntry
from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.fields import CONSTRAINTS, Field, FieldType
from tasks_lib.domain.report import MAX_INLINE_ERRORS
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.operations.chains.fill import TASKS_AT_ONCE
from tasks_lib.operations.idempotency import KEPT
from tasks_lib.operations.uploads.process import MAX_ATTEMPTS
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import Settings
from tasks_lib.store.leases import STALE

WORDS = {5: "five", 10: "ten"}
ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ZIP_MODULES = (
    "intake/archives/*.py", "transport/ranges.py", "storage/parallel_writes.py",
    "operations/seeding/seed_from_zip.py", "operations/seeding/stored_files.py",
)  # fmt: skip


def headings(text: str) -> list[str]:
    return re.findall(r"^##+ `?(.+?)`?$", text, re.MULTILINE)


def rows(text: str) -> list[list[str]]:
    """Return the cells of a page's tables, without their headers."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and "| --- |" not in line]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    return page(name).split(f"\n## {heading}\n")[1].split("\n## ")[0]


def first_words(name: str, heading: str) -> list[str]:
    """Return the words in the first column of a section's tables or of its definitions."""
    text = section(name, heading)
    first = [row[0] for row in rows(text)] or re.findall(r"^(`.+)\n: ", text, re.MULTILINE)
    return [word for cell in first for word in re.findall(r"`(\w+)`", cell)]


def test_the_reference_describes_every_command() -> None:
    groups = {name for name in app if not name.startswith("-") and list(subcommands(name))}
    assert set(headings(command_line.commands())) == {
        f"seeding {name}" for name in {*command_names(), *groups, "--install-completion"}
    }


def command_names() -> list[str]:
    """Return every command that can be run, with the group that it belongs to."""
    names = []
    for name in app:
        if not name.startswith("-"):
            names.extend([f"{name} {below}" for below in subcommands(name)] or [name])
    return names


def subcommands(name: str) -> list[str]:
    return [below for below in app[name] if not below.startswith("-")]


def test_the_reference_describes_every_call_of_the_api(tmp_path: Path) -> None:
    with open_workspace(Settings(home=tmp_path)) as workspace:
        routes = [route for route in create_app(workspace).routes if isinstance(route, Route)]
    calls = {
        f"{method} {re.sub(':[a-z]+}', '}', route.path).removeprefix(BASE_PATH)}"
        for route in routes
        if route.include_in_schema
        for method in route.methods or ()
    }
    described = [name for name in headings(http_api.calls()) if " /" in name]
    assert set(described) == calls - {"GET /openapi.json", "HEAD /openapi.json"}


def test_every_link_to_a_document_of_the_api_leads_to_one() -> None:
    text = f"{http_api.calls()}\n{http_api.documents()}"
    anchors = {name.lower() for name in headings(text)}
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= anchors


def test_the_reference_describes_every_event_with_an_example() -> None:
    constants = {name for name in vars(events).values() if isinstance(name, str)}
    names = {name for name in constants if name.startswith("seeding.")}
    assert set(events.EVENTS) == names
    assert {event.event for event in codes.example_events()} == names
    assert headings(codes.events()) == list(events.EVENTS)


def test_the_reference_describes_every_parameter_of_a_public_function() -> None:
    text = python_functions.public_functions()
    assert headings(text) == [f"{name}()" for name in tasks_lib.__all__]
    described = re.findall(r"^- `(\w+)`(?: \(.+?\))?: .", text, re.MULTILINE)
    functions = [getattr(tasks_lib, name) for name in tasks_lib.__all__]
    assert described == [name for entry in functions for name in signature(entry).parameters]


def test_the_reference_describes_every_setting() -> None:
    variables = re.findall(r"^`(\w+)`\n: ", models.settings(), re.MULTILINE)
    assert variables == [f"SEEDING_{name.upper()}" for name in Settings.model_fields]


def test_the_defaults_of_the_reference_do_not_depend_on_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEEDING_MAX_COLUMNS", "7")
    assert re.search(r"`SEEDING_MAX_COLUMNS`\n: .+ Default: 1,000\.", models.settings())


def test_the_reference_describes_every_parameter_of_a_run_form() -> None:
    described = re.findall(r"^- `(\w+)` \(.+\): .", deployments.deployments(), re.MULTILINE)
    flows = load_flows(read_manifest()).values()
    parameters = [name for flow in flows for name in flow.parameters.properties]
    assert sorted(described) == sorted(parameters)


def test_the_catalogue_page_lists_every_member_type_and_constraint() -> None:
    catalogue = "reference/catalogue.md"
    assert first_words(catalogue, "Pipelines") == list(PipelineEntry.model_fields)
    assert first_words(catalogue, "Fields") == list(Field.model_fields)
    assert first_words(catalogue, "Field types") == list(FieldType)


@pytest.mark.parametrize("kind", FieldType)
def test_the_catalogue_page_lists_the_constraints_of_each_type(kind: FieldType) -> None:
    definitions = section("reference/catalogue.md", "Field types").split("\n\n`")
    text = next(text for text in definitions if re.match(rf"`?(\w+`, `)?{kind}`", text))
    constraints = text.partition("Constraint")[2]
    assert set(re.findall(r"`(m(?:in|ax)_?\w*|pattern|options|content_types)`", constraints)) == {
        name for name, types in CONSTRAINTS.items() if kind in types
    }


def test_the_page_of_statuses_explains_every_status() -> None:
    statuses = "concepts/statuses.md"
    introduction = page(statuses).split("\n## ")[0]
    first = [row[0].strip("`") for row in rows(introduction)][1:]
    assert sorted(first) == sorted(TaskStatus)
    assert first_words(statuses, "Pipeline statuses") == list(PipelineStatus)


def test_the_page_of_chains_explains_every_trigger() -> None:
    definitions = re.findall(r"^`([a-z-]+)`\n: ", page("concepts/chains.md"), re.MULTILINE)
    assert definitions == list(Trigger)


def test_the_page_of_infinite_seeding_explains_every_state() -> None:
    seeding = http_api.documents().split("### InfiniteSeeding\n")[1]
    states = re.search(r"^- `state` \((.+)\)", seeding, re.MULTILINE)
    assert states is not None
    assert sorted(first_words("concepts/infinite-seeding.md", "States")) == sorted(
        re.findall(r"`(\w+)`", states[1])
    )


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("concepts/chains.md", f"at most {TASKS_AT_ONCE:,} tasks"),
        ("concepts/exactly-once.md", f"header, for {KEPT // timedelta(hours=1)} hours"),
        ("concepts/infinite-seeding.md", f"may take over after {WORDS[STALE.seconds]}"),
        ("concepts/exactly-once.md", f"within a minute, {WORDS[MAX_ATTEMPTS]} times at most"),
        ("reference/report.md", f"at most {MAX_INLINE_ERRORS} entries"),
    ],
)
def test_a_number_on_a_page_is_that_of_the_code(name: str, phrase: str) -> None:
    assert phrase in " ".join(page(name).split())


def test_the_page_of_the_design_gives_a_reason_for_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(name for extra in extras for name in extra)]
    names = [re.match(r"[\w-]+", requirement) for requirement in requirements]
    table = rows(section("concepts/design.md", "Dependencies"))[1:]
    assert sorted(name for row in table for name in row[0].split(", ")) == sorted(
        name.group() for name in names if name
    )


def test_the_page_of_the_design_shows_every_layer() -> None:
    layers = {
        name.removeprefix("tasks_lib.")
        for name in MAY_IMPORT
        if "__" not in name and name not in {"deployments", "tasks_lib.settings"}
    }
    shown = set(re.findall(r"<text [^>]+>(\w+)</text>", page("images/layers.svg")))
    table = {row[0] for row in rows(section("concepts/design.md", "Layers"))}
    words = {word for cell in table for word in re.findall(r"`(?:tasks_lib\.)?(\w+)`", cell)}
    assert (layers - shown, layers - words) == (set(), set())


def test_the_page_of_zips_lists_every_refusal_that_a_zip_adds() -> None:
    text = section("how-to/seed-zip.md", "What is refused")
    refusals = re.findall(r"^\| (`.+?`) \| .+ \|$", text, re.MULTILINE)
    modules = [path for pattern in ZIP_MODULES for path in (ROOT / "tasks_lib").glob(pattern)]
    raised = "".join(path.read_text(encoding="utf-8") for path in modules)
    assert set(re.findall(r"`(\w+)`", " ".join(refusals))) == {
        *re.findall(r'Problem(?:Error)?\(\s*"(\w+)"', raised),
        *("not_csv", "required"),  # problems of any CSV
        *("content_type_not_allowed", "file_too_large"),  # problems of any source with files
    }


def names_imported(text: str) -> Iterator[tuple[str, str]]:
    """Yield the modules and names that a page's blocks of Python import."""
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                yield from ((node.module or "", alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((alias.name, "__name__") for alias in node.names)


IMPORTED = sorted(
    {
        (path.relative_to(DOCS).as_posix(), *imported)
        for path in DOCS.rglob("*.md")
        for imported in names_imported(path.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize(("name", "module", "imported"), IMPORTED)
def test_every_import_of_a_page_works(name: str, module: str, imported: str) -> None:
    in_the_clone = module.replace("tasks_lib.flows", "flows")
    assert hasattr(import_module(in_the_clone), imported), f"docs/{name}"


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ({"type": "integer"}, "integer"),
        ({"$ref": "#/components/schemas/TaskPage"}, "[TaskPage](#taskpage)"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        ({"type": "string", "enum": ["a", None]}, "`a` or null"),
        ({"type": "string", "format": "date-time"}, "date and time"),
        ({"type": ["string", "integer"]}, "string or integer"),
        ({}, "any"),
    ],
)
def test_a_type_of_a_schema_is_named(schema: markdown.Schema, name: str) -> None:
    assert markdown.type_of(schema) == name


@pytest.mark.parametrize(
    ("schema", "bounds"),
    [
        ({"minimum": 1}, "at least 1"),
        ({"maximum": 1_000}, "at most 1,000"),
        ({"minLength": 1, "maxLength": 255, "type": "string"}, "1 to 255 characters"),
        ({"minItems": 1, "maxItems": 5_000, "type": "array"}, "1 to 5,000"),
        ({"type": "string"}, ""),
    ],
)
def test_bounds_of_a_schema_are_described(schema: markdown.Schema, bounds: str) -> None:
    assert markdown.bounds_of(schema) == bounds


def test_an_entry_of_a_list_has_notes_and_a_meaning() -> None:
    assert markdown.entry("a", ["", "integer", "optional"], "b") == "- `a` (integer, optional): b"
    assert markdown.entry("a", [], "") == "- `a`"


def test_a_table_escapes_vertical_bars() -> None:
    table = markdown.table(("a", "b"), [("x | y", "two\nlines")])
    assert table == "| a | b |\n| --- | --- |\n| x \\| y | two lines |"
