"""Rejected rows of an import come back as a file that can be corrected and imported."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.audit.read import list_entries
from tasks_lib.operations.datasets.data_vault import export_dataset
from tasks_lib.operations.datasets.import_request import ImportRejectedError, ImportReport
from tasks_lib.operations.workspace import Workspace
from vault import put, write

BAD = "id,unused,body\n1,a,one\n2,b\n1,c,again\n,d,none\n3,e,three\n"
"""A row with too few cells, one with the key of the first, and one without a key."""

KEYED: dict[str, Any] = {"key": ("id",), "columns": ("id", "body")}


def rejects(report: ImportReport) -> list[list[str]]:
    assert report.rejects_uri is not None
    path = Path(unquote(urlsplit(report.rejects_uri).path))
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def rows_of(workspace: Workspace) -> list[Any]:
    return [json.loads(line) for line in export_dataset(workspace.store, "acme", "reviews")]


def test_rejected_rows_of_a_csv_are_corrected_and_imported(
    workspace: Workspace, tmp_path: Path
) -> None:
    report = put(workspace, write(tmp_path, BAD), on_error=OnError.SKIP_ROWS, **KEYED)
    assert (report.imported, report.rejected) == (2, 3)
    header, *rows = rejects(report)
    assert header == ["id", "unused", "body", "_row", "_errors"]
    assert [row[:4] for row in rows] == [
        ["2", "b", "", "2"],
        ["", "", "none", "4"],
        ["1", "", "again", "3"],
    ]
    assert rows[0][4].startswith("[too_few_cells] ")
    corrected = io.StringIO()
    ids = ["2", "4", "5"]
    fixed = [[number, *row[1:4], ""] for number, row in zip(ids, rows, strict=True)]
    csv.writer(corrected).writerows([header, *fixed])
    again = put(workspace, write(tmp_path, corrected.getvalue()), **KEYED)
    assert (again.imported, again.rejected, again.rejects_uri) == (3, 0, None)
    assert [(row["id"], row["body"]) for row in rows_of(workspace)] == [
        ("1", "one"), ("3", "three"), ("2", None), ("4", "none"), ("5", "again"),
    ]  # fmt: skip


def test_a_row_that_nobody_has_corrected_is_rejected_again(
    workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(ImportRejectedError) as caught:
        put(workspace, write(tmp_path, BAD))
    header, *rows = rejects(caught.value.report)
    assert len(rows) == 1
    same = io.StringIO()
    csv.writer(same).writerows([header, *rows])
    with pytest.raises(ImportRejectedError, match="has 2 cells, the header 3"):
        put(workspace, write(tmp_path, same.getvalue()))
    assert rows_of_audit(workspace) == []


def test_a_rejected_row_of_json_is_named_with_its_errors(
    workspace: Workspace, tmp_path: Path
) -> None:
    source = write(tmp_path, '{"id": 1}\n{"id": 2, "id": 3}\n{"id": 4}\n{"id": 4}\n', "rows.jsonl")
    report = put(workspace, source, key=("id",), on_error=OnError.SKIP_ROWS)
    header, *rows = rejects(report)
    assert header == ["_row", "_errors"]
    assert [row[0] for row in rows] == ["2", "4"]
    assert rows[1][1].startswith("[duplicate_key] id: has the same key as row 3: id 4")


def test_all_repeated_keys_are_in_the_file_and_a_hundred_in_the_report(
    workspace: Workspace, tmp_path: Path
) -> None:
    content = "id,body\n" + "1,x\n" * 151
    report = put(workspace, write(tmp_path, content), key=("id",), on_error=OnError.SKIP_ROWS)
    assert (report.imported, report.rejected, len(report.errors)) == (1, 150, 100)
    assert [row[2] for row in rejects(report)[1:]] == [str(row) for row in range(2, 152)]


def test_imports_that_change_a_dataset_are_in_the_audit_trail(
    workspace: Workspace, tmp_path: Path
) -> None:
    workspace.store.actor = "ann"
    first = write(tmp_path, "id,body\n1,one\n2,two\n", "first.csv")
    second = write(tmp_path, "id,body\n1,ONE\n3,three\n", "second.csv")
    for source in (first, first, second, second):
        put(workspace, source, key=("id",), full=True)
    assert rows_of_audit(workspace) == [
        ("ann", "reviews", {"source": second, "version": 2, "imported": 1, "changed": 1,
                            "removed": 1}),
        ("ann", "reviews", {"source": first, "version": 1, "imported": 2}),
    ]  # fmt: skip


def rows_of_audit(workspace: Workspace) -> list[tuple[str, str, Any]]:
    entries = list_entries(workspace.store, "acme").entries
    return [
        (entry.by, entry.subject, entry.details)
        for entry in entries
        if entry.action == "dataset.imported"
    ]
