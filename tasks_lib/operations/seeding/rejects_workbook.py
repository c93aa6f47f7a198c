"""Write a rejects file as an Excel workbook, for people who correct its rows there."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from tasks_lib.domain.fields import ERRORS_NAME
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import display_name
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect
from tasks_lib.errors import UsageError
from tasks_lib.intake.csv_files.csv_records import cell_reader
from tasks_lib.intake.csv_files.template import BYTE_ORDER_MARK
from tasks_lib.transport.fetch import fetch
from tasks_lib.transport.temporary import temporary_folder, writing_temporary_files

_SEPARATOR: Final = "sep="


def write_workbook(
    limits: Limits, uri: str, file: BinaryIO, dialect: Dialect = DEFAULT_DIALECT
) -> int:
    """Write the rows of a rejects file to a workbook of texts; return their number.

    The dialect is that of the file. A byte that its encoding does not have is written as its code.
    Raises SourceProblemError, and UsageError for a file without ``_errors`` or too large for Excel.
    """
    from tasks_lib.output.xlsx_sheet import XlsxSheet  # noqa: PLC0415 - loaded for this alone

    with temporary_folder() as folder:
        rows = _read(fetch(uri, folder, limits).path, dialect)
        header = next(rows, [])
        if ERRORS_NAME not in header:
            raise UsageError(
                f"{display_name(uri)} is no rejects file: its header has no column {ERRORS_NAME}; "
                "give the options that the file was seeded with"
            )
        path, count = folder / "rejects.xlsx", 0
        with writing_temporary_files():
            sheet = XlsxSheet(path, header, as_text=True, advice="correct the CSV instead")
            try:
                for count, cells in enumerate(rows, start=1):
                    sheet.write([cell or None for cell in cells], subject=f"row {count}")
            finally:
                sheet.close()
        with path.open("rb") as workbook:
            shutil.copyfileobj(workbook, file)
    return count


def _read(path: Path, dialect: Dialect) -> Iterator[list[str]]:
    encoding = dialect.encoding or "utf-8"
    with path.open(encoding=encoding, errors="backslashreplace", newline="") as file:
        first = file.readline().removeprefix(BYTE_ORDER_MARK)
        if first.startswith(_SEPARATOR):
            dialect = dialect._replace(delimiter=first[len(_SEPARATOR) :][:1])
            first = file.readline()
        yield from cell_reader(_lines(first, file), dialect, strict=False)


def _lines(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
