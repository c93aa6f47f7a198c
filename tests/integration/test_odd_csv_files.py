"""CSV files as spreadsheets and other programs write them, and the rows that are sent back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tasks_lib.domain.report import Report
from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.rejects import read_rejects
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace

CsvFile = Callable[..., str]
PATH = "acme/reviews/label-reviews"


def seed(workspace: Workspace, source: str, *, run_id: str = "run-1", **options: Any) -> Report:
    request = CsvRequest(pipeline=PATH, source=source, **options)
    return seed_from_csv(workspace, request, run_id=run_id).report


def fields_of(workspace: Workspace) -> list[tuple[int, str]]:
    """Return row and fields' JSON text of every task, in order."""
    return [(task.origin.row, task.fields) for task in list_tasks(workspace.store, PATH)]


def test_a_row_rejected_for_its_shape_is_rejected_again_until_it_is_corrected(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    content = 'review_id;body;stars\n1;Great; works well;5\n2;short\n3;ok;3\n4;"a"b;4\n5;ö;5\n'
    source = csv_file(content.encode("cp1252"))
    dialect: dict[str, Any] = {
        "delimiter": ";",
        "encoding": "cp1252",
        "on_error": OnError.SKIP_ROWS,
    }
    first = seed(workspace, source, **dialect)
    assert (first.created, first.rejected) == (2, 3)
    path = urlsplit(str(first.rejects_uri)).path
    again = seed(workspace, path, run_id="run-2", **dialect)
    assert (again.created, again.rejected) == (0, 3)
    text = Path(path).read_text("cp1252")
    lines = [line.split(";")[:3] for line in text.splitlines()]
    corrected = [["1", '"Great; works well"', "5"], ["2", "short", "2"], ["4", "ab", "4"]]
    body = "".join(";".join(row) + "\n" for row in [lines[0], *corrected])
    fixed = csv_file(body.encode("cp1252"), "corrected.csv")
    last = seed(workspace, fixed, run_id="run-3", **dialect)
    assert (last.created, last.rejected) == (3, 0)
    assert [fields for _, fields in fields_of(workspace)][-3:] == [
        '{"review_id":"1","body":"Great; works well","stars":5}',
        '{"review_id":"2","body":"short","stars":2}',
        '{"review_id":"4","body":"ab","stars":4}',
    ]


def test_rejected_rows_are_shown_in_the_encoding_of_their_source(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    source = csv_file("review_id,body,stars\nä,,1\n".encode("cp1252"))
    request = CsvRequest(pipeline=PATH, source=source, encoding="cp1252")
    seeded = seed_from_csv(workspace, request, run_id="run-1")
    rejects = read_rejects(workspace, str(seeded.report.rejects_uri), seeded.dialect)
    assert rejects is not None
    assert rejects.text == (
        'review_id,body,stars,_row,_errors\r\nä,,1,1,"body: is required, but the cell is empty"\r\n'
    )


def test_rows_of_separators_make_no_tasks(workspace: Workspace, csv_file: CsvFile) -> None:
    source = csv_file("review_id,body,stars,\r\n1,one,5,\r\n,,,\r\n,,,\r\n2,two\r\n,,,,,\r\n")
    report = seed(workspace, source, on_error=OnError.SKIP_ROWS)
    assert (report.created, report.rejected) == (1, 1)
    assert fields_of(workspace) == [(1, '{"review_id":"1","body":"one","stars":5}')]


def test_a_header_that_looks_like_the_fields_is_accepted(
    workspace: Workspace, csv_file: CsvFile
) -> None:
    assert seed(workspace, csv_file("review_id, body,stars\u00a0\n1,one,5.0\n")).created == 1
    assert fields_of(workspace) == [(1, '{"review_id":"1","body":"one","stars":5}')]


def test_a_file_without_quoting_is_seeded_as_it_is(workspace: Workspace, csv_file: CsvFile) -> None:
    source = csv_file('review_id\tbody\tstars\n1\t"5" pipe\t5\n2\tx\n', "r.tsv")
    report = seed(workspace, source, quote=Quote.NONE, on_error=OnError.SKIP_ROWS)
    assert (report.created, report.rejected) == (1, 1)
    assert fields_of(workspace) == [(1, '{"review_id":"1","body":"\\"5\\" pipe","stars":5}')]
