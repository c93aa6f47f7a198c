"""Write an Excel workbook with one sheet, row by row: the workbook is never in memory.

No value becomes a formula: texts that begin with ``=`` are written as texts.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from xlsxwriter import Workbook

from tasks_lib.errors import UsageError
from tasks_lib.output.xlsx_values import Cell

MAX_ROWS: Final = 1_048_576
MAX_COLUMNS: Final = 16_384
MAX_CHARACTERS: Final = 32_767
"""Excel's limits of a sheet and a cell; an emoji counts as two characters."""

_TEXT: Final = "@"
_OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
    "use_zip64": True,
}
_ADVICE: Final = "choose parquet, csv or jsonl"


class XlsxSheet:
    """A workbook whose sheet has a header.

    With ``as_text`` each column is formatted as text, so that Excel changes nothing that people
    type. Raises UsageError for what a sheet cannot hold.
    """

    def __init__(
        self, path: Path, names: Sequence[str], *, as_text: bool = False, advice: str = _ADVICE
    ) -> None:
        self._advice = advice
        self._check_width(len(names), "the results have")
        self._workbook = Workbook(path, {**_OPTIONS, "tmpdir": str(path.parent)})
        self._sheet = self._workbook.add_worksheet()
        self._header = self._workbook.add_format({"bold": True})
        self._date = self._workbook.add_format({"num_format": "yyyy-mm-dd"})
        self._text = self._workbook.add_format({"num_format": _TEXT}) if as_text else None
        if self._text is not None:
            self._sheet.set_column(0, MAX_COLUMNS - 1, None, self._text)
        self._sheet.freeze_panes(1, 0)
        self._names = list(names)
        self._rows = 0
        for place, name in enumerate(names):
            self._check_length(name, "the header", place)
            self._sheet.write_string(0, place, name, self._header)

    def write(self, values: Sequence[Cell], *, subject: str) -> None:
        """Write the next row; ``subject`` names it in errors."""
        self._rows += 1
        if self._rows >= MAX_ROWS:
            raise UsageError(
                f"a sheet of Excel has {MAX_ROWS - 1:,} rows below its header, and there are more; "
                f"{self._advice}, or fewer rows"
            )
        self._check_width(len(values), f"{subject} has")
        for place, value in enumerate(values):
            self._write_cell(place, value, subject)

    def _write_cell(self, place: int, value: Cell, subject: str) -> None:
        if value is None:
            return
        if isinstance(value, str):
            self._check_length(value, subject, place)
            self._sheet.write_string(self._rows, place, value, self._text)
        elif isinstance(value, bool):
            self._sheet.write_boolean(self._rows, place, value)
        elif isinstance(value, date):
            self._sheet.write_datetime(self._rows, place, value, self._date)
        else:
            self._sheet.write_number(self._rows, place, value)

    def close(self) -> None:
        """Complete the workbook."""
        self._workbook.close()

    def _check_width(self, width: int, subject: str) -> None:
        if width > MAX_COLUMNS:
            raise UsageError(
                f"{subject} {width:,} columns, and a sheet of Excel {MAX_COLUMNS:,}; {self._advice}"
            )

    def _check_length(self, text: str, subject: str, place: int) -> None:
        # Two bytes are a character of Excel; nearly all texts are short.
        if len(text) <= MAX_CHARACTERS // 2:
            return
        length = len(text.encode("utf-16-le", errors="surrogatepass")) // 2
        if length > MAX_CHARACTERS:
            name = self._names[place] if place < len(self._names) else f"number {place + 1}"
            raise UsageError(
                f"{subject}, column {name!r}: the text has {length:,} characters, and a cell of "
                f"Excel {MAX_CHARACTERS:,}; {self._advice}"
            )
