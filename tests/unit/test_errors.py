"""The tree of errors: its drawing matches the classes, and handlers can rely on the attributes."""

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks_lib import errors
from tasks_lib.domain.report import Report, ReportError, SourceRejectedError
from tasks_lib.errors import (
    ConflictError,
    NotFoundError,
    PrefectNotReadyError,
    PrefectUnavailableError,
    Problem,
    SeedingError,
    SourceDatabaseRefusedError,
    SourceDatabaseUnavailableError,
    SourceProblemError,
    StorageRefusedError,
    StorageUnavailableError,
    StoreOutdatedError,
    StoreRefusedError,
    StoreTooNewError,
    StoreUnavailableError,
    UnavailableError,
)

ROOT = Path(errors.__file__).parents[1]
LINE = re.compile(r"^(?P<indent>[ │├└─]*)(?P<name>\w+Error)\b *(?P<rest>.*)$")
MODULE = re.compile(r"\(([a-z_]+(?:\.[a-z_]+)+)\)")


def parse_drawing(drawing: str) -> dict[str, tuple[str, str]]:
    """Return the base and the module of each class in the drawing."""
    tree: dict[str, tuple[str, str]] = {}
    above: list[str] = []
    for line in drawing.splitlines():
        if (match := LINE.match(line)) is None:
            continue
        depth = len(match["indent"]) // 4
        named = MODULE.search(match["rest"])
        module = "tasks_lib.errors"
        if named is not None:
            inside = "" if named[1].startswith("deployments.") else "tasks_lib."
            module = f"{inside}{named[1]}"
        above[depth:] = [match["name"]]
        tree[match["name"]] = (above[depth - 1] if depth else "Exception", module)
    return tree


def classes(module: str, source: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the exceptions that a module defines, each with its base and the module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
            is_error = [base.endswith(("Error", "Exception")) for base in bases]
            if any(is_error) and not node.name.startswith("_"):
                yield node.name, (", ".join(bases), module)


def defined_errors() -> dict[str, tuple[str, str]]:
    return {
        name: place
        for package in ("deployments", "flows", "tasks_lib")
        for path in sorted((ROOT / package).rglob("*.py"))
        for name, place in classes(
            ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"),
            path.read_text(encoding="utf-8"),
        )
    }


def test_the_drawing_shows_every_error_below_its_base_and_in_its_module() -> None:
    assert parse_drawing(errors.__doc__ or "") == defined_errors()


def test_the_drawing_is_read_with_bases_and_modules() -> None:
    drawing = """Errors.

    SeedingError
    ├── UsageError               wrong
    │   └── BadHeaderError       a header (api.errors)
    └── DemoFailedError          the demo (deployments.demo)
    """
    assert parse_drawing("\n".join(line[4:] for line in drawing.splitlines())) == {
        "SeedingError": ("Exception", "tasks_lib.errors"),
        "UsageError": ("SeedingError", "tasks_lib.errors"),
        "BadHeaderError": ("UsageError", "tasks_lib.api.errors"),
        "DemoFailedError": ("SeedingError", "deployments.demo"),
    }


def test_an_error_outside_the_tree_is_detected() -> None:
    source = "class LostError(ValueError): ...\nclass _Stop(Exception): ...\nclass Plain: ..."
    assert dict(classes("tasks_lib.x", source)) == {"LostError": ("ValueError", "tasks_lib.x")}


def test_an_error_has_no_details_and_no_retry_delay_by_default() -> None:
    plain, problem = SeedingError("no"), Problem("required", "is required", 3, "body")
    detailed = SeedingError("no", code="exact", problems=[problem], retry_seconds=1.5)
    assert [(e.code, e.problems, e.retry_seconds, str(e)) for e in (plain, detailed)] == [
        ("seeding_error", (), None, "no"),
        ("exact", (problem,), 1.5, "no"),
    ]


def test_a_source_problem_is_a_rejection_whose_text_is_that_of_its_problems() -> None:
    problems = (Problem("no_rows", "the file has no rows"), Problem("not_csv", "it is a ZIP"))
    error = SourceProblemError(*problems)
    assert (str(error), error.problems, error.code, error.exit_status) == (
        "the file has no rows; it is a ZIP",
        problems,
        "source_rejected",
        1,
    )


REPORT = Report(pipeline_id=1, source="x.csv", errors=(ReportError.of(Problem("a", "b", 2)),))


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("no", code="exact"),
        SourceProblemError(Problem("no_rows", "the file has no rows", 3, "body")),
        SourceRejectedError(REPORT),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error: SeedingError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert (again.code, again.problems) == (error.code, error.problems)


@pytest.mark.parametrize(
    ("kind", "is_transient"),
    [
        (StoreUnavailableError, True),
        (StorageUnavailableError, True),
        (PrefectUnavailableError, True),
        (SourceDatabaseUnavailableError, True),
        (PrefectNotReadyError, False),
        (SourceDatabaseRefusedError, False),
        (StoreRefusedError, False),
        (StorageRefusedError, False),
        (StoreOutdatedError, False),
        (StoreTooNewError, False),
        (NotFoundError, False),
        (ConflictError, False),
    ],
)
def test_only_errors_of_unreachable_services_are_transient(
    kind: type[SeedingError], is_transient: bool
) -> None:
    assert kind("no").is_transient is is_transient
    assert kind("no").retry_seconds == (5.0 if is_transient else None)
