"""A sheet of Excel holds values as they are, and refuses what it cannot hold."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from tasks_lib.domain.fields import FieldType
from tasks_lib.errors import UsageError
from tasks_lib.output import xlsx_sheet
from tasks_lib.output.xlsx_sheet import MAX_CHARACTERS, MAX_COLUMNS, XlsxSheet
from tasks_lib.output.xlsx_values import Cell, value_of

TEXTS = [
    "=1+1",
    "+1",
    "@SUM(A1)",
    "-2",
    "0012",
    "http://a.example",
    " x ",
    "a\nb",
    "\x07",
    "_x0041_",
]


def read_back(path: Path) -> list[list[Any]]:
    sheet = CalamineWorkbook.from_path(path).get_sheet_by_index(0)
    return [list(row) for row in sheet.to_python()]


def write(path: Path, *rows: list[Cell], as_text: bool = False) -> None:
    sheet = XlsxSheet(path, [f"c{place}" for place in range(len(rows[0]))], as_text=as_text)
    try:
        for number, row in enumerate(rows, start=1):
            sheet.write(row, subject=f"task {number}")
    finally:
        sheet.close()


@pytest.mark.parametrize("as_text", [False, True])
def test_texts_are_texts_whatever_they_begin_with(tmp_path: Path, as_text: bool) -> None:
    write(tmp_path / "t.xlsx", list(TEXTS), as_text=as_text)
    assert read_back(tmp_path / "t.xlsx")[1] == TEXTS


def test_other_values(tmp_path: Path) -> None:
    day = dt.date(2026, 11, 30)
    write(tmp_path / "t.xlsx", [None, True, 1.5, day, "x"], [7, None, None, None, "y"])
    assert read_back(tmp_path / "t.xlsx")[1:] == [
        ["", True, 1.5, day, "x"],
        [7.0, "", "", "", "y"],
    ]


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        ("null", FieldType.TEXT, None),
        ("true", FieldType.BOOLEAN, True),
        ("false", FieldType.BOOLEAN, False),
        ('"a\\n"', FieldType.TEXT, "a\n"),
        ("12", FieldType.INTEGER, 12.0),
        ("-1.50", FieldType.NUMBER, -1.5),
        ("123456789012345", FieldType.INTEGER, 123456789012345.0),
        ("1234567890123456", FieldType.INTEGER, "1234567890123456"),
        ("1000000000000000", FieldType.INTEGER, "1000000000000000"),
        ("0.1234567890123456", FieldType.NUMBER, "0.1234567890123456"),
        ('"2026-11-30"', FieldType.DATE, dt.date(2026, 11, 30)),
        ('"1900-02-28"', FieldType.DATE, "1900-02-28"),
        ('"2026-11-30T08:00:00Z"', FieldType.DATETIME, "2026-11-30T08:00:00Z"),
        ('["a","b"]', FieldType.MULTI_SELECT, '["a","b"]'),
        ('{"a":1}', FieldType.JSON, '{"a":1}'),
    ],
)
def test_values_that_excel_keeps(raw: str, kind: FieldType, value: Cell) -> None:
    assert value_of(raw.encode(), kind) == value


def test_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_sheet, "MAX_ROWS", 3)
    write(tmp_path / "t.xlsx", ["a"], ["b"])
    with pytest.raises(UsageError) as caught:
        write(tmp_path / "u.xlsx", ["a"], ["b"], ["c"])
    assert str(caught.value) == (
        "a sheet of Excel has 2 rows below its header, and there are more; choose parquet, csv or "
        "jsonl, or fewer rows"
    )


def test_too_many_columns(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        XlsxSheet(tmp_path / "t.xlsx", ["c"] * (MAX_COLUMNS + 1))
    assert str(caught.value) == (
        "the results have 16,385 columns, and a sheet of Excel 16,384; choose parquet, csv or jsonl"
    )


def test_too_long_a_text(tmp_path: Path) -> None:
    write(tmp_path / "t.xlsx", ["x" * MAX_CHARACTERS])
    for text in ("x" * (MAX_CHARACTERS + 1), "😀" * 16_384):
        with pytest.raises(UsageError) as caught:
            write(tmp_path / "u.xlsx", ["a", text])
        assert str(caught.value) == (
            "task 1, column 'c1': the text has 32,768 characters, and a cell of Excel 32,767; "
            "choose parquet, csv or jsonl"
        )
