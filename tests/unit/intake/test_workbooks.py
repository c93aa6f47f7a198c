"""Sheets of workbooks are read as they are, and what cannot be read is reported by its cell."""

import datetime as dt
import re
import zipfile
from pathlib import Path

import pytest
import xlsxwriter
from workbooks import number, text, write_ods, write_xlsx

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.datasets.record_blocks import ColumnTypes
from tasks_lib.intake.workbooks.cells import Place, letters_of, place_of
from tasks_lib.intake.workbooks.sheet_blocks import sheet_blocks


class Read:
    """The rows, warnings and problems of a sheet."""

    def __init__(
        self,
        path: Path,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        sheet: str = "",
        columns: tuple[str, ...] = (),
    ) -> None:
        self.types: ColumnTypes = {}
        self.warnings: list[str] = []
        self.rows: list[str] = []
        self.bad: list[Problem] = []
        for block in sheet_blocks(
            path, limits, self.types, sheet=sheet, columns=columns, warnings=self.warnings
        ):
            self.rows += block.values.to_pylist()
            self.bad += [problem for row in block.bad for problem in row.problems]


def problem_of(path: Path, limits: Limits = Limits(), **options: str) -> Problem:  # noqa: B008
    with pytest.raises(SourceProblemError) as caught:
        Read(path, limits, **options)  # type: ignore[arg-type]
    [problem] = caught.value.problems
    return problem


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "book.xlsx"


def test_values_keep_their_kinds(book: Path) -> None:
    def add_moments(workbook: xlsxwriter.Workbook) -> None:
        page = workbook.worksheets()[0]
        for column, (value, code) in enumerate(
            [
                (dt.date(2026, 1, 2), "yyyy-mm-dd"),
                (dt.datetime(2026, 1, 2, 3, 4, 5), "yyyy-mm-dd hh:mm"),  # noqa: DTZ001
                (dt.time(3, 4), "hh:mm"),
                (dt.timedelta(hours=36), "[h]:mm"),
            ],
            start=4,
        ):
            page.write_datetime(1, column, value, workbook.add_format({"num_format": code}))

    header = ("text", "whole", "number", "flag", "day", "moment", "time", "hours")
    write_xlsx(book, header, (" 001 ", 5, 0.1 + 0.2, True), change=add_moments)
    read = Read(book)
    assert read.rows == [
        '{"text":" 001 ","whole":5,"number":0.3,"flag":true,"day":"2026-01-02",'
        '"moment":"2026-01-02T03:04:05","time":"03:04:00","hours":"36:00:00"}'
    ]
    assert read.types == {
        "text": {FieldType.TEXT},
        "whole": {FieldType.INTEGER},
        "number": {FieldType.NUMBER},
        "flag": {FieldType.BOOLEAN},
        "day": {FieldType.DATE},
        "moment": {FieldType.DATETIME},
        "time": {FieldType.TEXT},
        "hours": {FieldType.TEXT},
    }
    assert (read.bad, read.warnings) == ([], [])


def test_a_table_begins_at_the_first_row_that_is_not_empty(book: Path) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        page = workbook.worksheets()[0]
        page.write_row(3, 2, ["id", "body", 2026])
        page.write_row(5, 2, ["a", "x", 1])
        page.write_row(8, 2, ["b", "", 2])

    write_xlsx(book, change=add)
    read = Read(book)
    assert read.rows == [
        '{"id":"a","body":"x","2026":1}',
        '{"id":"b","body":null,"2026":2}',
    ]


def test_columns_without_a_name_and_of_the_same_name(book: Path) -> None:
    write_xlsx(book, ("id", "", "id", "", "x\ny"), ("1", "", "2", "", "3"), ("4", "", "5", "6"))
    read = Read(book)
    assert read.rows == [
        '{"id":"1","id 2":"2","x y":"3"}',
        '{"id":"4","id 2":"5","column_4":"6","x y":null}',
    ]
    assert read.warnings == [
        "Sheet1!C1: column 3 is the second or a later 'id' and is called 'id 2'",
        "Sheet1!E1: the name of column 5 holds a line break or another control character and is "
        "now 'x y'",
        "Sheet1!D1: column 4 has no name and is called 'column_4'",
    ]
    assert list(read.types) == ["id", "id 2", "x y", "column_4"]


def test_errors_and_formulas_without_a_value_are_bad_rows(book: Path) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        page = workbook.worksheets()[0]
        page.write_formula(1, 1, "=1/0", None, "#DIV/0!")
        page.write_formula(3, 0, "=REF()", None, "#REF!")
        page.write_formula(3, 1, "=NA()", None, "#N/A")
        page.write_formula(4, 1, '=""', None, "")

    write_xlsx(book, ("id", "n"), ("a",), ("#REF!", 2), (), ("d",), change=add)
    empty = b'<c r="B5" t="str"><f>""</f><v></v></c>'
    change_sheet(book, rb'<c r="B5".*?</c>', empty)
    read = Read(book)
    assert read.rows == ['{"id":"#REF!","n":2}', '{"id":"d","n":null}']
    assert read.bad == [
        Problem("cell_error", "Sheet1!B2 holds the error #DIV/0!; correct its formula", 1),
        Problem("cell_error", "Sheet1!A4 holds the error #REF!; correct its formula", 3),
        Problem("cell_error", "Sheet1!B4 holds the error #N/A; correct its formula", 3),
    ]
    only = Read(book, columns=("id",))
    assert [problem.row for problem in only.bad] == [3]


def change_sheet(path: Path, pattern: bytes, replacement: bytes) -> None:
    """Change the XML of the first sheet, as programs other than Excel write it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    parts[name], count = re.subn(pattern, replacement, parts[name])
    assert count
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)


@pytest.mark.parametrize("value", [b"", b"<v></v>", b"<v/>"])
def test_a_formula_that_was_never_computed(book: Path, value: bytes) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].write_formula(1, 1, "=A1")

    write_xlsx(book, ("id", "n"), ("a",), change=add)
    change_sheet(book, rb"<v>0</v></c></row></sheetData>", value + b"</c></row></sheetData>")
    assert Read(book).bad == [
        Problem(
            "cell_error",
            "Sheet1!B2 holds a formula without a value; open the workbook in Excel and save it",
            1,
        )
    ]


def test_an_error_in_the_header(book: Path) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].write_formula(0, 1, "=NAME()", None, "#NAME?")

    write_xlsx(book, ("id",), ("a", "b"), change=add)
    assert problem_of(book) == Problem(
        "cell_error", "Sheet1!B1, in the header, holds the error #NAME?; correct its formula"
    )


def test_what_excel_has_changed_is_reported(book: Path) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        page = workbook.worksheets()[0]
        day = workbook.add_format({"num_format": "d-mmm"})
        page.write_datetime(2, 1, dt.date(2026, 3, 1), day)
        page.write_number(2, 3, 123, workbook.add_format({"num_format": "00000"}))

    write_xlsx(
        book,
        ("code", "gene", "iban", "zip"),
        ("0012", "SEPT2X", 1234567890123456789012, 1),
        (12, "", 5, ""),
        (13, "BRCA1", 6, 7),
        change=add,
    )
    read = Read(book)
    assert read.rows[0] == '{"code":"0012","gene":"SEPT2X","iban":1234567890123457000000,"zip":1}'
    assert read.warnings == [
        "column 'code' has 2 numbers (first Sheet1!A3) and 1 text (first Sheet1!A2); codes that "
        "became numbers have lost their leading zeros",
        "column 'gene' has 1 date (first Sheet1!B3) and 2 texts (first Sheet1!B2); texts such as "
        "MAR1 may have become dates",
        "column 'iban' has 1 number of more than 15 digits, the first in Sheet1!C2; all further "
        "digits were replaced by zeros",
        "column 'zip' is shown with leading zeros, in the format 00000, which its numbers do not "
        "have, the first in Sheet1!D3",
    ]


def test_merged_cells(book: Path) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].merge_range("A2:A3", "x")

    write_xlsx(book, ("id", "n"), ("", 1), ("", 2), change=add)
    read = Read(book)
    assert read.rows == ['{"id":"x","n":1}', '{"id":null,"n":2}']
    assert read.warnings == [
        "1 range of cells are merged, such as Sheet1!A2:A3; only the first cell of each has the "
        "value"
    ]


def test_the_sheet_is_named_unless_there_is_only_one(book: Path) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        second = workbook.add_worksheet("Q 2")
        second.write_row(0, 0, ["id"])
        second.write_row(1, 0, ["b"])
        workbook.add_chartsheet("Chart")

    write_xlsx(book, ("id",), ("a",), sheet="Q 1", change=add)
    assert Read(book, sheet="Q 2").rows == ['{"id":"b"}']
    assert problem_of(book) == Problem(
        "sheet_not_found", "the workbook has 2 sheets; give one of 'Q 1', 'Q 2' as sheet"
    )
    assert problem_of(book, sheet="Q 3") == Problem(
        "sheet_not_found",
        "the workbook has no sheet 'Q 3', but 'Q 1', 'Q 2'",
    )


def test_hidden_sheets_are_left_out(book: Path) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        workbook.add_worksheet("lists").hide()

    write_xlsx(book, ("id",), ("a",), change=add)
    assert Read(book).warnings == [
        "hidden sheets were left out: 'lists'; give one as sheet to import it"
    ]
    assert problem_of(book, sheet="lists") == Problem("no_rows", "sheet 'lists' is empty")


def test_quoted_names_of_sheets() -> None:
    assert Place(4116, 2).of_sheet("Sheet1") == "Sheet1!C4117"
    assert Place(0, 26).of_sheet("Bob's 2026") == "'Bob''s 2026'!AA1"
    columns = (0, 25, 26, 701, 702, 16_383)
    assert [letters_of(number) for number in columns] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]
    assert [place_of(f"{letters_of(column)}7") for column in columns] == [
        Place(6, column) for column in columns
    ]
    assert place_of("7") is None


def test_files_that_are_no_workbook(book: Path) -> None:
    book.write_bytes(b"id,body\n")
    assert problem_of(book).message.startswith("the workbook cannot be read: ")
    write_xlsx(book, ("id",), ("a",))
    book.write_bytes(book.read_bytes()[:-100])
    assert problem_of(book) == Problem(
        "not_workbook", "the workbook is damaged: File is not a zip file; save it again"
    )


def test_a_sheet_that_takes_too_much_memory(book: Path) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].write("XFD1048576", 1)

    write_xlsx(book, ("id",), ("a",), change=add)
    assert problem_of(book) == Problem(
        "workbook_too_large",
        "reading the sheet takes more than 2,147,483,648 bytes of memory; save it as CSV, or raise "
        "SEEDING_MAX_WORKBOOK_BYTES",
    )


def test_parts_that_unpack_to_far_more_than_their_size(book: Path) -> None:
    write_xlsx(book, ("id",), ("a",))
    change_sheet(book, rb"<sheetData>", b"<sheetData>" + b" " * 2_000_000)
    assert problem_of(book).code == "ratio_too_high"
    assert problem_of(book, Limits(max_source_bytes=1_000_000)).code == "source_too_large"
    assert Read(book, Limits(max_archive_ratio=10_000)).rows == ['{"id":"a"}']


def test_limits_of_rows_and_columns(book: Path) -> None:
    write_xlsx(book, ("id", "body"), ("a", "x" * 100), ("b", "y"))
    assert [problem.code for problem in Read(book, Limits(max_row_bytes=50)).bad] == [
        "row_too_large"
    ]
    assert problem_of(book, Limits(max_columns=1)).code == "too_many_columns"


def test_more_rows_than_are_read_at_once(book: Path) -> None:
    write_xlsx(book, ("id",), *((str(number),) for number in range(6_001)))
    assert Read(book).rows == [f'{{"id":"{number}"}}' for number in range(6_001)]


REPEATED = 'table:number-rows-repeated="1048500"'


def test_an_ods_workbook(tmp_path: Path) -> None:
    path = write_ods(
        tmp_path / "book.ods",
        text("id") + text("n") + '<table:table-cell table:number-columns-repeated="16000"/>',
        text("001") + number(5),
        text("a", 'table:number-rows-spanned="2"') + text("#REF!", 'table:formula="of:=[.A0]"'),
        f"<table:table-row {REPEATED}><table:table-cell/></table:table-row>",
    )
    read = Read(path)
    assert read.rows == ['{"id":"001","n":5}']
    assert read.bad == [
        Problem("cell_error", "Sheet1!B3 holds the error #REF!; correct its formula", 2)
    ]
    assert read.warnings == [
        "1 range of cells are merged, such as Sheet1!A3:A4; only the first cell of each has the "
        "value"
    ]


def test_an_encrypted_ods_workbook(tmp_path: Path) -> None:
    path = write_ods(tmp_path / "book.ods", text("id"), encrypted=True)
    assert problem_of(path) == Problem(
        "not_workbook",
        "the workbook is encrypted; open it in Excel or LibreOffice, remove its password, and save "
        "it",
    )


def test_an_ods_workbook_that_repeats_a_cell_without_end(tmp_path: Path) -> None:
    wide = number(1, 'table:number-columns-repeated="16384"')
    path = write_ods(
        tmp_path / "book.ods",
        text("id"),
        f"<table:table-row {REPEATED}>{wide}</table:table-row>",
    )
    assert problem_of(path).code == "workbook_too_large"
