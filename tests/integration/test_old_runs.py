"""Upkeep removes the reports of old runs, and keeps those that somebody can still need."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from people import PATH
from tasks_lib.operations.datasets.import_dataset import import_dataset
from tasks_lib.operations.datasets.import_request import ImportRequest
from tasks_lib.operations.groups.read import find_report
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.upkeep import old_runs
from tasks_lib.operations.upkeep.old_runs import KEPT, remove_old_runs
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.tables.access import UploadRow
from tasks_lib.store.tables.runs import ImportRunRow, SeedingRunRow
from tasks_lib.store.tables.waiting import GroupWaitRow
from vault import MIXED

NOW = datetime.now(UTC)
LATER = NOW + KEPT + timedelta(hours=1)


def seed(workspace: Workspace, source: str, run_id: str) -> Path:
    """Seed a file with bad rows; return the path of its rejects file."""
    seed_from_csv(workspace, CsvRequest(pipeline=PATH, source=source), run_id=run_id)
    return Path(str(workspace.storage.folder), "rejects", f"{run_id}.csv")


def runs(workspace: Workspace) -> list[str]:
    with workspace.store.read() as session:
        tables = (SeedingRunRow, ImportRunRow)
        return [run_id for table in tables for run_id in session.scalars(select(table.id))]


def test_reports_of_old_runs_are_removed_with_their_files_some_at_a_time(
    workspace: Workspace, csv_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_runs, "_RUNS_AT_ONCE", 2)
    source = csv_file(MIXED)
    files = [seed(workspace, source, f"run-{number}") for number in range(4)]
    import_dataset(
        workspace, ImportRequest(organization="acme", name="rows", source=source), run_id="import"
    )
    assert remove_old_runs(workspace, now=LATER - timedelta(hours=2)) == 0
    assert len(runs(workspace)) == 5
    assert all(file.exists() for file in files)
    assert remove_old_runs(workspace, now=LATER) == 5
    assert runs(workspace) == []
    assert not any(file.exists() for file in files)


def test_an_old_run_seeds_no_task_a_second_time(
    workspace: Workspace, csv_file: Callable[..., str]
) -> None:
    source = csv_file("review_id,body,stars\n1,one,5\n")
    request = CsvRequest(pipeline=PATH, source=source, allow_duplicate=True)
    first = seed_from_csv(workspace, request, run_id="run").report
    assert remove_old_runs(workspace, now=LATER) == 1
    again = seed_from_csv(workspace, request, run_id="run").report
    assert (first.created, again.created, again.group_id) == (1, 0, first.group_id)


def test_reports_of_waiting_flow_runs_and_of_uploads_stay(
    workspace: Workspace, csv_file: Callable[..., str]
) -> None:
    source = csv_file(MIXED)
    files = [seed(workspace, source, run_id) for run_id in ("run-1 seed a 1", "run-2", "upload")]
    with workspace.store.write() as session:
        session.execute(
            insert(GroupWaitRow).values(
                id="wait", flow_run_id="run-1", group_ids=[1], created_at=NOW, resume_at=NOW
            )
        )
        session.execute(
            insert(UploadRow).values(
                id="upload",
                pipeline_id=1,
                name="a.csv",
                uri="x",
                on_error="reject-file",
                token_sha256=sha256(b"x").hexdigest(),
                status="failed",
                created_at=NOW,
                expires_at=NOW,
            )
        )
    assert remove_old_runs(workspace, now=LATER) == 1
    assert sorted(runs(workspace)) == ["run-1 seed a 1", "upload"]
    assert [file.exists() for file in files] == [True, False, True]


def test_files_of_an_earlier_storage_stay(
    workspace: Workspace, csv_file: Callable[..., str]
) -> None:
    file = seed(workspace, csv_file(MIXED), "run")
    report = find_report(workspace.store, "run")
    assert report is not None
    elsewhere = report.model_copy(update={"rejects_uri": "s3://elsewhere/rejects/run.csv"})
    with workspace.store.write() as session:
        session.execute(update(SeedingRunRow).values(report=elsewhere.model_dump(mode="json")))
    assert remove_old_runs(workspace, now=LATER) == 1
    assert file.exists()
