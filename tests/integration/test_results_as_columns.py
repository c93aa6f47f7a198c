"""Results that are read as columns are the same as those that are read as rows."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import text

from people import finish, make_tasks
from tasks_lib import results
from tasks_lib.operations.results.read import MEMBERS, find_scope, open_results
from tasks_lib.operations.workspace import Workspace
from tasks_lib.output.columnar_rows import ColumnarRows
from tasks_lib.output.result_batches import ResultBatches
from tasks_lib.store.results import finished_columns
from vault import LABEL

TEXTS = (
    "",
    " ",
    "a\x1fb",
    "\x01",
    "\x01\x01",
    "\r",
    "a\nb\r\n",
    '"',
    "\\N",
    "\\.",
    "NULL",
    "né \U0001f600",
)
"""Texts that could be taken for the end of a value, for a quote or for a null."""


def _set_texts(workspace: Workspace, folder: Path) -> None:
    make_tasks(workspace, folder, len(TEXTS))
    make_tasks(workspace, folder, 1, "as they were seeded.csv")
    with workspace.store.write() as session:
        for task, value in enumerate(TEXTS, start=1):
            document = json.dumps(
                {"review_id": value, "body": None}, indent=1 if task % 2 else None
            )
            session.execute(
                text("UPDATE tasks SET predefined = :document, key = :key WHERE id = :id"),
                {"document": document, "key": f"{value}{task}", "id": task},
            )
            session.execute(
                text("UPDATE task_groups SET name = :name, source = :name WHERE id = 1"),
                {"name": value},
            )
        session.execute(text("UPDATE tasks SET key = '' WHERE id = 1"))
    for _ in range(len(TEXTS) + 1):
        finish(workspace.store, "a,b")
    early = {
        "at": datetime(1900, 1, 1, tzinfo=UTC),
        "late": datetime(2100, 12, 31, 23, 59, 59, 999999, UTC),
    }
    with workspace.store.write() as session:
        session.execute(text("UPDATE tasks SET claimed_at = NULL, claimed_by = '' WHERE id = 2"))
        if workspace.store.is_postgresql:
            times = "UPDATE tasks SET claimed_at = :at, finished_at = :late WHERE id = 3"
            session.execute(text(times), early)


@pytest.mark.parametrize("bytes_at_once", [1, 2**23])
def test_both_are_the_same(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_at_once: int
) -> None:
    monkeypatch.setattr(finished_columns, "_BYTES_AT_ONCE", bytes_at_once)
    _set_texts(workspace, tmp_path)
    scope = find_scope(workspace.store, LABEL)
    tables, rows = [], []
    for as_columns in (False, True):
        with open_results(workspace.store, scope, as_columns=as_columns) as found:
            batches = list(found.batches)
        is_columnar = {isinstance(batch, ColumnarRows) for batch in batches}
        assert is_columnar == {as_columns and workspace.store.is_postgresql}
        writer = ResultBatches(found.columns, MEMBERS)
        tables.append(pa.Table.from_batches(map(writer.write, batches), writer.schema))
        rows.append([tuple(row) for batch in batches for row in batch])
    assert rows[0] == rows[1]
    assert tables[0].equals(tables[1])
    assert tables[0]["review_id"].to_pylist()[:-1] == list(TEXTS)
    assert tables[0]["task_id"].to_pylist() == list(range(1, len(TEXTS) + 2))


def test_a_reader_that_stops_early(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finished_columns, "_BYTES_AT_ONCE", 1)
    make_tasks(workspace, tmp_path, 3)
    for _ in range(3):
        finish(workspace.store)
    scope = find_scope(workspace.store, LABEL)
    for is_read in (False, True):
        with open_results(workspace.store, scope, as_columns=True) as found:
            assert not is_read or len(next(found.batches))
    with open_results(workspace.store, scope, as_columns=True) as found:
        assert sum(map(len, found.batches)) == 3


def test_results_since_a_time(configured: Workspace, tmp_path: Path) -> None:
    make_tasks(configured, tmp_path, 2)
    assert results(LABEL, as_arrow=True).num_rows == 0
    finish(configured.store)
    found = results(LABEL, since=datetime(2026, 1, 1, tzinfo=UTC), as_arrow=True)
    assert found["task_id"].to_pylist() == [1]
    assert results(LABEL, since=datetime.now(UTC), as_arrow=True).num_rows == 0
