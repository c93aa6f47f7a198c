"""Datasets to seed from, pipelines to seed into, and their contents."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tasks_lib.domain.report import Report, ReportError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportMode, ImportReport, ImportRequest
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.operations.seeding.seed_from_dataset import seed_from_dataset
from tasks_lib.operations.seeding.seed_from_pipeline import seed_from_pipeline
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace

MIXED = "review_id,body,stars\n1,one,5\n2,,9\n3,three,x\n4,four,4\n"
MIXED_ERRORS = (
    ReportError(row=2, field="body", code="required", message="is required, but the cell is empty"),
    ReportError(row=2, field="stars", code="above_maximum", message="'9' is above the maximum 5"),
    ReportError(
        row=3,
        field="stars",
        code="invalid_integer",
        message="'x' is not a whole number such as 42 or -7",
    ),
)
"""Rows of which two do not fit, and the errors for them."""

LABEL = "acme/reviews/label-reviews"
CHECK = "acme/reviews/check-reviews"
AUDIT = "acme/audits/audit-reviews"
FOREIGN = "umbrella/reviews/label-reviews"
CATALOGUE = """
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
          - name: check-reviews
            fields:
              - {name: review_id, type: text, source: dataset}
              - {name: body, type: long_text, source: dataset, required: false}
              - {name: verdict, type: single_select, source: input, options: [right, wrong]}
      - name: audits
        pipelines:
          - name: audit-reviews
            fields:
              - {name: review_id, type: text, source: dataset}
              - {name: opinion, type: text, source: dataset, required: false}
              - {name: task, type: integer, source: dataset, required: false}
              - {name: state, type: text, source: dataset, required: false}
              - {name: made, type: datetime, source: dataset, required: false}
  - name: umbrella
    projects:
      - name: reviews
        pipelines:
          - name: label-reviews
            fields:
              - {name: review_id, type: text, source: dataset}
"""
"""Pipelines 2 to 4; pipeline 1 is that of ``conftest``."""

ROWS = "review_id,body,stars\n001,one,5\nNA, two ,\n12345678901234567890,three,1\n"
MORE = "review_id,body,stars\n4,four,4\n5,five,5\n"
FIELDS = [
    (1, '{"review_id":"001","body":"one","stars":5}'),
    (2, '{"review_id":"NA","body":" two ","stars":null}'),
    (3, '{"review_id":"12345678901234567890","body":"three","stars":1}'),
]
"""The tasks that ``ROWS`` make in pipeline 1: row and values."""

MORE_FIELDS = [
    (4, '{"review_id":"4","body":"four","stars":4}'),
    (5, '{"review_id":"5","body":"five","stars":5}'),
]


def apply_vault(workspace: Workspace, folder: Path, catalogue: str = CATALOGUE) -> None:
    """Create the pipelines of a catalogue."""
    path = folder / "vault.yaml"
    path.write_text(catalogue, encoding="utf-8")
    apply_catalogue(workspace.store, path)


def write(folder: Path, content: str | bytes, name: str = "reviews.csv") -> str:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def lines(*rows: Mapping[str, Any]) -> str:
    """Write rows as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def put(
    workspace: Workspace,
    source: str,
    *,
    organization: str = "acme",
    name: str = "reviews",
    mode: ImportMode = ImportMode.CREATE,
    **options: Any,
) -> ImportReport:
    """Import a file."""
    return import_dataset(
        workspace,
        ImportRequest(organization=organization, name=name, source=source, mode=mode, **options),
    )


def seed_dataset(
    workspace: Workspace,
    pipeline: str = LABEL,
    dataset: str = "reviews",
    *,
    run_id: str = "run-1",
    **options: Any,
) -> Report:
    """Seed from a dataset, and return the report."""
    return seed_dataset_fully(workspace, pipeline, dataset, run_id=run_id, **options).report


def seed_dataset_fully(
    workspace: Workspace,
    pipeline: str = LABEL,
    dataset: str = "reviews",
    *,
    run_id: str = "run-1",
    **options: Any,
) -> Seeded:
    """Seed from a dataset."""
    return seed_from_dataset(
        workspace, MappedRequest(pipeline=pipeline, source=dataset, **options), run_id=run_id
    )


def seed_pipeline(
    workspace: Workspace,
    pipeline: str = CHECK,
    source: str = LABEL,
    *,
    run_id: str = "run-1",
    **options: Any,
) -> Report:
    """Seed from a pipeline, and return the report."""
    request = MappedRequest(pipeline=pipeline, source=source, **options)
    return seed_from_pipeline(workspace, request, run_id=run_id).report


def rows_of(workspace: Workspace, name: str = "reviews", organization: str = "acme") -> list[Any]:
    """Return version, number and JSON text of every row that a dataset ever had, in order."""
    with workspace.store.read() as session:
        rows = session.execute(
            text(
                "SELECT r.version, r.row, CAST(r.value AS TEXT) FROM dataset_rows r"
                " JOIN datasets d ON d.id = r.dataset_id"
                " JOIN organizations o ON o.id = d.organization_id"
                " WHERE d.name = :name AND o.name = :organization ORDER BY r.id"
            ),
            {"name": name, "organization": organization},
        )
        return [tuple(row) for row in rows]


def tasks_of(workspace: Workspace, pipeline: str = LABEL) -> list[tuple[int, str]]:
    """Return row and the fields' JSON text of every task, in order."""
    tasks = list_tasks(workspace.store, pipeline, limit=100_000)
    return [(task.origin.row, task.fields) for task in tasks]


def statuses_of(workspace: Workspace, pipeline: str = LABEL) -> set[str]:
    """Return the statuses of a pipeline's tasks."""
    tasks = list_tasks(workspace.store, pipeline, limit=100_000)
    return {task.status for task in tasks}


def set_status(workspace: Workspace, status: str, pipeline: str = LABEL) -> None:
    """Set a pipeline's status."""
    pipeline_id = find_pipeline(workspace.store, pipeline).id
    change(workspace, "UPDATE pipelines SET status = :status WHERE id = :id", status, [pipeline_id])


def finish(workspace: Workspace, ids: Iterable[int], filled_in: str | None = None) -> None:
    """Finish tasks, as a contributor does."""
    statement = "UPDATE tasks SET status = 'finished', filled_in = :status WHERE id = :id"
    change(workspace, statement, filled_in, list(ids))


def change(workspace: Workspace, statement: str, value: str | None, ids: Sequence[int]) -> None:
    """Run a statement for each id, with ``:status`` as the value."""
    with workspace.store.write() as session:
        for number in ids:
            session.execute(text(statement), {"status": value, "id": number})


def append(workspace: Workspace, folder: Path, content: str = MORE) -> None:
    """Add rows to the dataset ``reviews``."""
    put(workspace, write(folder, content, "more.csv"), mode=ImportMode.APPEND)


def error_of(report: Report) -> tuple[str, str | None, str]:
    """Return the code, the field and the message of a report's only error."""
    (error,) = report.errors
    return error.code, error.field, error.message


def has_no_groups(workspace: Workspace, pipeline: str = LABEL) -> bool:
    """Tell whether the pipeline has no groups."""
    return list_groups(workspace.store, pipeline) == []


def origins_of(workspace: Workspace) -> list[tuple[int, int, int]]:
    """Return the id, the stream and the source row's id of each task."""
    with workspace.store.read() as session:
        rows = session.execute(text("SELECT id, stream_id, origin_id FROM tasks ORDER BY id"))
        return [tuple(row) for row in rows]


def streams_of(workspace: Workspace) -> list[tuple[str, int]]:
    """Return the source and the generation of each stream, oldest first."""
    with workspace.store.read() as session:
        rows = session.execute(text("SELECT source, generation FROM streams ORDER BY id"))
        return [tuple(row) for row in rows]
