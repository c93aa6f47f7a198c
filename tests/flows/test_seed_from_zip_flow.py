"""The ZIP flow: its steps, its state and its artifacts."""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prefect.utilities.urls import url_for

from flow_runs import artifacts_of, attempts_of, events_of, run_of, steps_of
from flows.reconcile import reconcile
from flows.seed_from_zip import seed_from_zip
from photos import CATALOGUE, HEADER, PATH, png, write_zip
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.tasks.read import find_task, link_files
from tasks_lib.operations.upkeep.reconcile import Reconciled
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.storage.parallel_writes import FileWrite
from tasks_lib.store import files

ROWS = f"{HEADER}dawn.png,Harbour,\nnoon.png,Meadow,\n"
FILES = {"dawn.png": png("dawn"), "noon.png": png("noon"), "more|names.txt": b"?"}


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The embedded defaults in a fresh home, as a flow finds them, with the photo pipeline."""
    monkeypatch.setenv("SEEDING_HOME", str(tmp_path / "seeding"))
    catalogue = tmp_path / "photos.yaml"
    catalogue.write_text(CATALOGUE, encoding="utf-8")
    with open_workspace(read_settings()) as workspace:
        apply_catalogue(workspace.store, catalogue)
        yield workspace


def test_a_good_archive_completes_with_its_report_artifacts_and_event(
    prefect: httpx.Client, photos: Workspace, tmp_path: Path
) -> None:
    source = write_zip(tmp_path / "photos.zip", ROWS, FILES)
    state = seed_from_zip(PATH, source, return_state=True)
    run = run_of(prefect, state)
    assert (state.name, state.message) == ("Completed", "'photos.zip' created 2 tasks in group 1.")
    assert run["name"] == f"zip photos.zip -> {PATH}"
    assert steps_of(prefect, run) == [
        ("survey archive", "Completed"),
        ("store files", "Completed"),
        ("load rows", "Completed"),
    ]
    ((kind, summary),) = artifacts_of(prefect, run)
    assert kind == "markdown"
    assert "| Rows read | 2 |\n| Created | 2 |\n| Files | 2 |" in summary
    assert summary.endswith(
        "\n\n**Warning**: 1 file of the archive is named by no row: 'more|names.txt'"
    )
    (event,) = events_of(prefect, "seeding.group.created", run)
    assert event["payload"] == {
        "pipeline_id": 1, "pipeline": PATH, "group_id": 1, "created": 2, "rejected": 0,
        "source": source, "message": "'photos.zip' created 2 tasks in group 1.",
        "run_url": url_for("flow-run", run["id"]),
    }  # fmt: skip


def test_a_bad_archive_fails_in_one_sentence_with_the_rows_as_a_table(
    prefect: httpx.Client, photos: Workspace, tmp_path: Path
) -> None:
    source = write_zip(tmp_path / "photos.zip", ROWS.replace("noon", "Noon"), FILES)
    state = seed_from_zip(PATH, source, return_state=True)
    sentence = (
        "'photos.zip' was rejected, nothing was created: 1 row rejected; row 2, photo: "
        "'Noon.png' is not in the archive; did you mean 'noon.png'?"
    )
    assert (state.name, state.message) == ("Failed", sentence)
    run = run_of(prefect, state)
    assert steps_of(prefect, run) == [
        ("survey archive", "Completed"),
        ("store files", "Completed"),
        ("load rows", "Failed"),
        ("record rejection", "Completed"),
    ]
    _, table, _ = artifacts_of(prefect, run)
    assert json.loads(table[1]) == [
        {
            "row": 2,
            "field": "photo",
            "code": "file_not_found",
            "why": "'Noon.png' is not in the archive; did you mean 'noon.png'?",
        }
    ]


def test_an_unreadable_archive_fails_in_the_survey_step(
    prefect: httpx.Client, photos: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "photos.zip"
    path.write_text("not a zip", encoding="utf-8")
    state = seed_from_zip(PATH, str(path), return_state=True)
    run = run_of(prefect, state)
    assert state.name == "Failed"
    assert attempts_of(prefect, run) == {"survey archive": 1, "record rejection": 1}
    assert steps_of(prefect, run) == [
        ("survey archive", "Failed"), ("record rejection", "Completed"),
    ]  # fmt: skip


def test_reconcile_removes_files_that_no_task_has(
    prefect: httpx.Client, photos: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()  # upkeep counts what killed runs of other tests have left
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    seed_from_zip(PATH, write_zip(tmp_path / "photos.zip", ROWS, FILES))
    unused = FileWrite("ab" * 32, 3, "text/plain", b"abc")
    long_ago = datetime.now(UTC) - timedelta(hours=25)
    with photos.store.write() as session:
        files.touch_files(session, [(photos.storage.uri_of(unused.sha256), 3)], at=long_ago)
    with photos.storage.parallel_writes() as writes:
        writes.submit(unused, may_exist=False)
    state = reconcile(return_state=True)
    assert (state.name, state.message) == (
        "Completed",
        "Removed 1 file that no task has.",
    )
    nothing = dict.fromkeys(Reconciled._fields, 0)
    assert state.result() == nothing | {"removed_files": 1}
    assert reconcile(return_state=True).result() == nothing
    assert set(link_files(photos, find_task(photos.store, 1))) == {"photo"}
