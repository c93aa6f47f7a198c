"""Bad rows of a CSV reject it or are skipped, and come back as a file that can be corrected."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.groups.read import find_report, list_groups
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from vault import MIXED, MIXED_ERRORS

CsvFile = Callable[..., str]
PATH = "acme/reviews/label-reviews"


def seed(workspace: Workspace, source: str, *, run_id: str = "run-1", **options: Any) -> Report:
    request = CsvRequest(pipeline=PATH, source=source, **options)
    return seed_from_csv(workspace, request, run_id=run_id).report


def tasks_of(workspace: Workspace) -> list[tuple[int, str, str]]:
    """Return row, status and the fields' JSON text of every task, in order."""
    page = list_tasks(workspace.store, PATH, limit=10_000)
    return [(task.origin.row, task.status, task.fields) for task in page]


def test_one_bad_row_rejects_the_file_and_all_bad_rows_are_reported(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file(MIXED)
    report = seed(workspace, source)
    assert report == Report(
        pipeline_id=1,
        rejected=2,
        source=source,
        rejects_uri=f"{workspace.storage.root}/rejects/run-1.csv",
        errors=MIXED_ERRORS,
    )
    assert list_groups(workspace.store, PATH) == []
    assert find_report(workspace.store, "run-1") == report


def test_skipped_rows_come_back_as_a_file_that_can_be_corrected_and_seeded(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file(MIXED)
    report = seed(workspace, source, on_error=OnError.SKIP_ROWS)
    assert report == Report(
        group_id=1,
        pipeline_id=1,
        created=2,
        rejected=2,
        source=source,
        rejects_uri=f"{workspace.storage.root}/rejects/run-1.csv",
        errors=MIXED_ERRORS,
    )
    rejects = rejected_rows(report)
    assert rejects == [
        {
            "review_id": "2",
            "body": "",
            "stars": "9",
            "_row": "2",
            "_errors": "body: is required, but the cell is empty; "
            "stars: '9' is above the maximum 5",
        },
        {
            "review_id": "3",
            "body": "three",
            "stars": "x",
            "_row": "3",
            "_errors": "stars: 'x' is not a whole number such as 42 or -7",
        },
    ]
    rejects[0] |= {"body": "two", "stars": "2"}
    rejects[1] |= {"stars": "3"}
    corrected = seed(workspace, csv_file(as_csv(rejects), "corrected.csv"), run_id="run-2")
    assert (corrected.created, corrected.rejected) == (2, 0)
    assert [fields for _, _, fields in tasks_of(workspace)] == [
        '{"review_id":"1","body":"one","stars":5}',
        '{"review_id":"4","body":"four","stars":4}',
        '{"review_id":"2","body":"two","stars":2}',
        '{"review_id":"3","body":"three","stars":3}',
    ]


def test_a_rejects_file_keeps_unreadable_rows_to_the_byte(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    content = b"review_id,body,stars\n1,caf\xe9,1\n2,ok,2\n3\n4,a,1,x,y\n"
    report = seed(workspace, csv_file(content), on_error=OnError.SKIP_ROWS)
    assert (report.created, report.rejected) == (1, 3)
    path = Path(urlsplit(str(report.rejects_uri)).path)
    assert path.read_bytes().splitlines() == [
        b"\xef\xbb\xbfreview_id,body,stars,_row,_errors",
        b"1,caf\xe9,1,1,\"body: byte 0xE9, the cell's number 4, is not UTF-8; "
        b"give the file's encoding, such as cp1252, latin-1 or shift_jis\"",
        b"3,,,3,\"[too_few_cells] has 1 cell, the header 3: nothing for 'body', 'stars'; "
        b'correct the row and then empty its cell in _errors"',
        b"4,a,1,4,\"has 5 cells, the header 3: 'x,y' is too much; "
        b"quote a cell that holds ','\",x,y",
    ]


def test_no_empty_group_is_created_when_every_row_is_bad(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file("review_id,body,stars\n1,,1\n")
    report = seed(workspace, source, on_error=OnError.SKIP_ROWS)
    assert (report.is_rejection, report.rejected) == (True, 1)
    assert list_groups(workspace.store, PATH) == []


@pytest.mark.parametrize("on_error", OnError)
def test_a_file_with_too_many_bad_rows_is_abandoned_early(
    workspace: Workspace, csv_file: CsvFile, on_error: OnError
) -> None:
    limited = Workspace(workspace.store, workspace.storage, Limits(max_errors=5))
    body = "good,row,1\n" * 3 + "x,y,z\n" * 200_000
    report = seed(limited, csv_file("review_id,body,stars\n" + body), on_error=on_error)
    assert report.is_rejection
    assert report.rejected < 200_000
    assert report.errors[0] == ReportError(
        row=None,
        field=None,
        code="too_many_errors",
        message="more than 5 rows are bad, so the rest was not read; correct what is common to "
        "them, or raise SEEDING_MAX_ERRORS. The first: row 4: 'z' is not a whole number such as "
        "42 or -7",
    )
    assert len(report.errors) == 100
    assert list_groups(workspace.store, PATH) == []


def rejected_rows(report: Report) -> list[dict[str, str]]:
    path = Path(urlsplit(str(report.rejects_uri)).path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
