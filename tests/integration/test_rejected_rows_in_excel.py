"""Rejected rows go to Excel, are corrected there, and come back as a dataset."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from workbooks import write_xlsx

from command_line import Seeding
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.rows.dialects import Dialect, Quote
from tasks_lib.errors import Problem, SourceProblemError, UsageError
from tasks_lib.intake.rows.blocks import BadRow
from tasks_lib.intake.rows.rejects import RejectsFile
from tasks_lib.operations.datasets.import_request import ImportRejectedError
from tasks_lib.operations.seeding.rejects_workbook import write_workbook
from tasks_lib.operations.workspace import Workspace
from vault import LABEL, put, seed_dataset, tasks_of, write

HEADER = ["review_id", "body", "stars", "_row", "_errors"]
WRONG = "stars: 'six' is not a whole number such as 42 or -7"


def sheet_of(path: Path) -> list[list[Any]]:
    return list(CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python())


def converted(folder: Path, uri: str, dialect: Dialect = Dialect()) -> list[list[Any]]:  # noqa: B008
    file = io.BytesIO()
    rows = write_workbook(Limits(), uri, file, dialect)
    (folder / "rejects.xlsx").write_bytes(file.getvalue())
    found = sheet_of(folder / "rejects.xlsx")
    assert len(found) == rows + 1
    return found


def test_rejected_rows_are_corrected_in_excel_and_seeded(
    configured: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeding = Seeding(capsys)
    source = write(tmp_path, "review_id,body,stars\n001,=1+1,six\n002,two,2\n")
    status, report = seeding.json("seed", "csv", LABEL, source, "--on-error", "skip-rows")
    assert (status, report["created"]) == (0, 1)
    book = tmp_path / "rejects.xlsx"
    status, out, _ = seeding("rejects", report["rejects_uri"], str(book))
    assert (status, out) == (0, f"wrote 1 rejected row to {book}.\n")
    header, row = sheet_of(book)
    assert (header, row) == (HEADER, ["001", "=1+1", "six", "1", WRONG])
    assert seeding("rejects", report["rejects_uri"], str(book))[::2] == (
        2, f"error: {book} exists; to replace it, add --overwrite\n",
    )  # fmt: skip
    row[2] = "5"
    write_xlsx(book, tuple(header), tuple(row))
    assert seeding("dataset", "import", "acme", "corrected", str(book))[0] == 0
    status, report = seeding.json("seed", "dataset", LABEL, "corrected")
    assert (status, report["created"]) == (0, 1)
    assert tasks_of(configured)[1] == (1, '{"review_id":"001","body":"=1+1","stars":5}')


def test_a_row_with_a_mark_waits_until_its_cell_is_empty(
    workspace: Workspace, tmp_path: Path
) -> None:
    marked = ("001", "one", "", "1", "[too_few_cells] the row has 2 cells")
    book = write_xlsx(tmp_path / "b.xlsx", tuple(HEADER), marked)
    with pytest.raises(ImportRejectedError) as caught:
        put(workspace, str(book))
    [error] = caught.value.report.errors
    assert (error.code, error.row) == ("too_few_cells", 1)
    write_xlsx(book, tuple(HEADER), (*marked[:4], ""))
    assert put(workspace, str(book)).imported == 1
    assert seed_dataset(workspace).created == 1


def test_a_cell_beyond_the_header_is_no_column(workspace: Workspace, tmp_path: Path) -> None:
    row = ("001", "one", "5", "1", "the row has 4 cells", "more")
    book = write_xlsx(tmp_path / "b.xlsx", tuple(HEADER), row)
    with pytest.raises(ImportRejectedError) as caught:
        put(workspace, str(book))
    [error] = caught.value.report.errors
    assert error.code == "too_many_cells"
    assert error.message == "Sheet1!F2 is beyond the header; move it to where it belongs"


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(),
        Dialect(";", names_delimiter=True, encoding="cp1252"),
        Dialect("\t", Quote.NONE),
        Dialect(encoding="utf-16-le"),
    ],
)
def test_each_dialect_of_a_rejects_file(tmp_path: Path, dialect: Dialect) -> None:
    path = tmp_path / "rejects.csv"
    problems = [Problem("too_many_cells", "the row has 3 cells", 7)]
    with RejectsFile(path, ["a", "b"], dialect) as file:
        file.add(BadRow(7, ["é", "0012", "more"], problems))
    given = dialect._replace(names_delimiter=False)
    assert converted(tmp_path, str(path), given) == [
        ["a", "b", "_row", "_errors", ""],
        ["é", "0012", "7", "the row has 3 cells", "more"],
    ]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    path.write_bytes(b"a,_row,_errors\ncaf\xe9,1,[invalid_encoding] ...\n")
    assert converted(tmp_path, str(path))[1][0] == "caf\\xe9"


def test_what_is_no_rejects_file(
    configured: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "a,b\n1,2\n")
    with pytest.raises(UsageError) as caught:
        converted(tmp_path, path)
    assert str(caught.value) == (
        "reviews.csv is no rejects file: its header has no column _errors; give the options that "
        "the file was seeded with"
    )
    with pytest.raises(SourceProblemError):
        converted(tmp_path, str(tmp_path / "nothing.csv"))
    book = tmp_path / "rejects.csv"
    assert Seeding(capsys)("rejects", path, str(book))[2] == (
        f"error: {book} would hold a workbook of Excel; give a name ending in .xlsx\n"
    )
    assert not book.exists()


def test_many_rows(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["a", "_errors"], *([str(row), "x"] for row in range(3_000))])
    assert len(converted(tmp_path, str(path))) == 3_001
