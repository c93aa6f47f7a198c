"""Fields that would stay empty without anybody noticing: they are reported, or stop the run."""

from pathlib import Path
from typing import Any

import pytest

from chain_setup import LATER, chain
from people import AT, claim
from tasks_lib.domain.report import Report
from tasks_lib.operations.chains.due import Fired, fire_due
from tasks_lib.operations.chains.manage import edit_chain, find_chain
from tasks_lib.operations.datasets.import_request import ImportMode
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.seeding.seed_from_dataset import seed_from_dataset
from tasks_lib.operations.tasks.move import submit_task
from tasks_lib.operations.workspace import Workspace
from vault import apply_vault, lines, put, tasks_of, write

NOTES = "acme/notes/read-notes"
CATALOGUE = """
organizations:
  - name: acme
    projects:
      - name: notes
        pipelines:
          - name: read-notes
            fields:
              - {name: id, type: text, source: dataset}
              - {name: title, type: text, source: dataset, required: false}
"""


@pytest.fixture
def notes(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with a pipeline whose field ``title`` may stay empty."""
    apply_vault(workspace, tmp_path, CATALOGUE)
    return workspace


def import_rows(
    workspace: Workspace, folder: Path, *rows: dict[str, Any], replaces: bool = False
) -> tuple[str, ...]:
    """Import rows as the dataset ``notes``; return the warnings."""
    mode = ImportMode.REPLACE if replaces else ImportMode.CREATE
    source = write(folder, lines(*rows), "notes.jsonl")
    return put(workspace, source, name="notes", mode=mode).warnings


def seed(workspace: Workspace, run_id: str = "run-1", **options: Any) -> Seeded:
    request = MappedRequest(pipeline=NOTES, source="notes", **options)
    return seed_from_dataset(workspace, request, run_id=run_id)


def test_a_column_without_values_is_reported(notes: Workspace, tmp_path: Path) -> None:
    import_rows(notes, tmp_path, {"id": "1", "title": None}, {"id": "2", "title": ""}, {"id": "3"})
    for dry_run in (True, False):
        seeded = seed(notes, dry_run=dry_run)
        assert seeded.report.created == 3
        assert seeded.warnings == (
            "field 'title' stays empty in all 3 rows: column 'title' is null or empty",
        )
    assert seed(notes, "run-2").warnings == ()


def test_a_jsonpath_that_finds_nothing_is_reported(notes: Workspace, tmp_path: Path) -> None:
    import_rows(notes, tmp_path, {"id": "1", "meta": {"title": "one"}})
    seeded = seed(notes, mapping={"title": "meta:$.titel"})
    assert seeded.report.created == 1
    assert seeded.warnings == (
        "field 'title' stays empty in the only row: $.titel finds nothing in column 'meta'",
    )


def test_one_value_is_enough_and_one_row_may_lack_one(notes: Workspace, tmp_path: Path) -> None:
    import_rows(notes, tmp_path, {"id": "1", "title": None})
    assert seed(notes).warnings == ()
    rows = [{"id": str(number)} for number in range(5_001)]
    import_rows(notes, tmp_path, *rows, {"id": "last", "title": "x"}, replaces=True)
    assert seed(notes, "run-2").warnings == ()


GONE = (
    "column 'title' is gone; it may be called 'titel' now, and filled the field 'title' in the "
    "last seeding; map the field to another column, skip it, or accept the drift to leave it empty"
)


def problems_of(report: Report) -> list[tuple[str, str, str | None]]:
    return [(error.code, error.message, error.field) for error in report.errors]


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ({"mapping": {"title": "titel"}}, '{"id":"2","title":"two"}'),
        ({"skip": ("title",)}, '{"id":"2"}'),
        ({"accept_drift": True}, '{"id":"2"}'),
    ],
    ids=["mapped", "skipped", "accepted"],
)
def test_a_column_that_is_gone_stops_the_run_until_someone_decides(
    notes: Workspace, tmp_path: Path, options: dict[str, Any], values: str
) -> None:
    import_rows(notes, tmp_path, {"id": "1", "title": "one"})
    assert seed(notes).report.created == 1
    assert import_rows(notes, tmp_path, {"id": "2", "titel": "two"}, replaces=True) == (
        "column 'title' is gone; it may be called 'titel' now, since version 1 of notes",
    )
    for dry_run in (True, False):
        report = seed(notes, f"run-{dry_run}", dry_run=dry_run).report
        assert (report.created, problems_of(report)) == (0, [("mapping_drifted", GONE, "title")])
    report = seed(notes, "run-3", **options).report
    assert (report.created, report.errors) == (1, ())
    assert tasks_of(notes, NOTES)[-1] == (1, values)


def test_a_decision_is_remembered(notes: Workspace, tmp_path: Path) -> None:
    import_rows(notes, tmp_path, {"id": "1", "title": "one"})
    seed(notes)
    import_rows(notes, tmp_path, {"id": "2"}, replaces=True)
    assert seed(notes, "run-2", accept_drift=True).report.created == 1
    import_rows(notes, tmp_path, {"id": "3"}, replaces=True)
    assert seed(notes, "run-3").report.created == 1


def test_new_columns_and_a_rejected_run_change_nothing(notes: Workspace, tmp_path: Path) -> None:
    import_rows(notes, tmp_path, {"id": None, "title": "one"})
    assert seed(notes).report.is_rejection
    import_rows(notes, tmp_path, {"id": "2", "more": "x"}, replaces=True)
    report = seed(notes, "run-2").report
    assert (report.created, report.errors) == (1, ())


CHAINED = """
organizations:
  - name: acme
    projects:
      - name: notes
        pipelines:
          - name: write-notes
            fields:
              - {name: id, type: text, source: dataset}
              - {name: TITLE, type: text, source: input, required: false}
          - name: read-notes
            fields:
              - {name: id, type: text, source: dataset}
              - {name: title, type: text, source: dataset, required: false}
"""
WRITE_NOTES = "acme/notes/write-notes"


@pytest.mark.parametrize(
    ("edit", "values"),
    [
        ({"mapping": {"title": "heading"}, "skip": ()}, '{"id":"1","title":"one"}'),
        ({"mapping": {}, "skip": ("title",)}, '{"id":"1"}'),
    ],
    ids=["mapped", "skipped"],
)
def test_a_field_that_is_gone_stops_a_chain_until_someone_edits_it(
    workspace: Workspace, tmp_path: Path, edit: dict[str, Any], values: str
) -> None:
    apply_vault(workspace, tmp_path, CHAINED.replace("TITLE", "title"))
    created = chain(workspace, NOTES, WRITE_NOTES)
    apply_vault(workspace, tmp_path, CHAINED.replace("TITLE", "heading"))  # there is no task yet
    source = write(tmp_path, "id\n1\n", "notes.csv")
    request = CsvRequest(pipeline=WRITE_NOTES, source=source)
    assert seed_from_csv(workspace, request, run_id="run-1").report.created == 1
    task = claim(workspace.store, path=WRITE_NOTES)
    submit_task(workspace.store, task.id, "ann", {"heading": "one"}, at=AT)
    assert fire_due(workspace, at=LATER) == Fired(misfits=0, chains=0)
    stopped = find_chain(workspace.store, created.id)
    assert (stopped.waiting, stopped.error_code, stopped.error_message) == (
        1,
        "mapping_drifted",
        "column 'title' is gone, and filled the field 'title' when the chain was set up; edit the "
        "chain: map the field to another column, or skip it",
    )
    edit_chain(workspace.store, created.id, trigger=None, **edit)
    assert fire_due(workspace, at=LATER) == Fired(created=1, chains=1)
    assert [text for _, text in tasks_of(workspace, NOTES)] == [values]
