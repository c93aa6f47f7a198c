"""Sheets become rows of a dataset, by the command line as by the operation."""

from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from workbooks import text, write_ods, write_xlsx

from command_line import Seeding
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError
from tasks_lib.intake.datasets.file_formats import FileFormat
from tasks_lib.operations.datasets.data_vault import list_datasets
from tasks_lib.operations.datasets.import_request import ImportRejectedError
from tasks_lib.operations.workspace import Workspace
from vault import LABEL, put, rows_of, seed_dataset, tasks_of, write

HEADER = ("review_id", "body", "stars")


def add_sheet(workbook: xlsxwriter.Workbook) -> None:
    page = workbook.add_worksheet("old")
    page.write_row(0, 0, HEADER)
    page.write_row(1, 0, ("009", "nine", 1))


@pytest.fixture
def book(tmp_path: Path) -> str:
    path = tmp_path / "book.xlsx"
    rows: list[tuple[object, ...]] = [("001", "one", 5), ("002", "two", 4)]
    return str(write_xlsx(path, HEADER, *rows, sheet="new", change=add_sheet))


def test_a_sheet_is_imported_once_and_seeded(workspace: Workspace, book: str) -> None:
    report = put(workspace, book, sheet="new")
    assert (report.imported, report.version, report.warnings) == (2, 1, ())
    assert put(workspace, book, sheet="new").already_imported == 2
    columns = {dataset.name: dataset.columns for dataset in list_datasets(workspace.store, "acme")}
    assert columns["reviews"] == (
        Column("review_id", FieldType.TEXT),
        Column("body", FieldType.TEXT),
        Column("stars", FieldType.INTEGER),
    )
    assert seed_dataset(workspace, LABEL).created == 2
    assert tasks_of(workspace) == [
        (1, '{"review_id":"001","body":"one","stars":5}'),
        (2, '{"review_id":"002","body":"two","stars":4}'),
    ]


def test_another_sheet_is_other_content(workspace: Workspace, book: str) -> None:
    assert put(workspace, book, sheet="new", key=("review_id",)).imported == 2
    assert put(workspace, book, sheet="old", key=("review_id",)).imported == 1
    assert put(workspace, book, sheet="old", key=("review_id",)).already_imported == 1
    assert len(rows_of(workspace)) == 3


def test_a_later_workbook_updates_rows_by_their_key(workspace: Workspace, tmp_path: Path) -> None:
    first = write_xlsx(tmp_path / "1.xlsx", HEADER, ("001", "one", 5), ("002", "two", 4))
    second = write_xlsx(tmp_path / "2.xlsx", HEADER, ("001", "ONE", 5), ("003", "three", 1))
    put(workspace, str(first), key=("review_id",))
    report = put(workspace, str(second), key=("review_id",))
    assert (report.imported, report.changed, report.already_imported) == (1, 1, 0)


def test_bad_cells_are_reported_and_skipped(workspace: Workspace, tmp_path: Path) -> None:
    def add_error(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].write_formula(2, 2, "=1/0", None, "#DIV/0!")

    path = str(write_xlsx(tmp_path / "b.xlsx", HEADER, ("1", "x", 5), ("2", "y"), change=add_error))
    with pytest.raises(ImportRejectedError) as caught:
        put(workspace, path)
    [error] = caught.value.report.errors
    assert (error.row, error.code) == (2, "cell_error")
    assert error.message == "Sheet1!C3 holds the error #DIV/0!; correct its formula"
    report = put(workspace, path, on_error=OnError.SKIP_ROWS)
    assert (report.imported, report.rejected) == (1, 1)


def test_a_workbook_is_recognized_by_its_content(workspace: Workspace, tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "b.xlsx", ("id",), ("1",)).rename(tmp_path / "excel")
    assert put(workspace, str(path), name="excel").imported == 1
    path = write_ods(tmp_path / "b.ods", text("id"), text("1")).rename(tmp_path / "ods")
    assert put(workspace, str(path), name="ods").imported == 1
    assert put(workspace, str(path), name="named", format=FileFormat.ODS).imported == 1


def test_only_workbooks_have_sheets(workspace: Workspace, tmp_path: Path) -> None:
    path = write(tmp_path, "id\n1\n")
    with pytest.raises(UsageError) as caught:
        put(workspace, path, sheet="new")
    assert str(caught.value) == f"{path} is read as csv, and only workbooks have sheets"


def test_the_command(
    configured: Workspace, book: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(*options: str) -> tuple[int, Any, Any]:
        return Seeding(capsys)("dataset", "import", "acme", "book", *options)

    status, out, err = run(book)
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        "error: Nothing was imported into book: the workbook has 2 sheets; give one of 'new', "
        "'old' as sheet.",
        "hint: to import a sheet of the workbook, add: --sheet NAME",
    ]
    status, out, _ = run(book, "--sheet", "old")
    assert (status, out) == (0, "Imported 1 row as version 1 of book.\n")
    mixed = write_xlsx(tmp_path / "mixed.xlsx", HEADER, ("001", "x", 1), (2, "y", 2))
    status, out, err = run(str(mixed), "--append", "--format", "xlsx")
    assert (status, out) == (0, "Imported 2 rows as version 2 of book.\n")
    assert "column 'review_id' has 1 number (first Sheet1!A3) and 1 text (first Sheet1!A2)" in err
