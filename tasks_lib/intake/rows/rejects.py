"""Write rejected rows as a CSV that can be corrected and seeded as it is.

A row that is seeded again without a correction is rejected again. Mostly its cells see to that.
Where they cannot, because the row is not written as it was in its source, the row has a mark in
``_errors``; the reader rejects it until somebody empties that cell.
"""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from tasks_lib.domain.fields import ERRORS_NAME, RESERVED_NAMES, ROW_NAME
from tasks_lib.domain.problems import CODES
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect, Quote
from tasks_lib.errors import Problem
from tasks_lib.intake.rows.blocks import BadRow
from tasks_lib.transport.temporary import writing_temporary_files

MARK_START: Final = r"^\W*\["
"""How a mark begins, for Arrow; a spreadsheet or another dialect may put something before it."""

_MARK: Final = re.compile(r"\W*\[([a-z_]+)\][ _]?")
_ADVICE: Final = f"correct the row and then empty its cell in {ERRORS_NAME}"
_MARKED_ENCODINGS: Final = frozenset({"utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"})
"""Encodings for which spreadsheets need a byte order mark, and Python writes none."""


class RejectsFile:
    """A CSV in the dialect of its source, so that the command that read the source reads it, too.

    It has the original columns, then ``_row`` and ``_errors``. A cell whose bytes were not UTF-8
    keeps them. Cells beyond the header are behind ``_errors``, so the row still has too many.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], dialect: Dialect = DEFAULT_DIALECT
    ) -> None:
        self._path = path
        self._kept = [i for i, name in enumerate(columns) if name not in RESERVED_NAMES]
        self._width = len(columns)
        self._dialect = dialect
        encoding = dialect.encoding or "utf-8"
        is_utf8 = encoding.startswith("utf-8")
        with writing_temporary_files():
            self._file = path.open(
                "w",
                encoding=encoding,
                errors="surrogateescape" if is_utf8 else "backslashreplace",
                newline="",
            )
        if encoding in _MARKED_ENCODINGS:
            self._file.write("\ufeff")
        if dialect.names_delimiter:
            self._file.write(f"sep={dialect.delimiter}\r\n")
        self._write = _row_writer(self._file, dialect)
        self._write([*(columns[i] for i in self._kept), ROW_NAME, ERRORS_NAME])

    def add(self, bad: BadRow) -> None:
        """Write one row."""
        padded = bad.cells + [""] * (self._width - len(bad.cells))
        errors = _describe(bad)
        if self._dialect.quote is Quote.NONE:
            delimiter = self._dialect.delimiter
            errors = errors.replace(delimiter, "_" if delimiter == " " else " ")
        extra = bad.cells[self._width :]
        with writing_temporary_files():
            self._write([*(padded[i] for i in self._kept), str(bad.row), errors, *extra])

    def finish(self) -> Path:
        """Flush and close the file; return its path."""
        with writing_temporary_files():
            self._file.close()
        return self._path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # a full disk; callers that need the file call ``finish`` before
            self._file.close()


def marked_problem(errors: str, row: int) -> Problem | None:
    """Return the problem of a row whose cell in ``_errors`` has a mark, or None."""
    mark = _MARK.match(errors)
    if mark is None or mark[1] not in CODES:
        return None
    return Problem(mark[1], errors[mark.end() :], row)


def _row_writer(file: TextIO, dialect: Dialect) -> Callable[[Iterable[str]], object]:
    if dialect.quote is Quote.NONE:
        return csv.writer(
            file, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE, quotechar=None
        ).writerow
    return csv.writer(file, delimiter=dialect.delimiter).writerow


def _describe(bad: BadRow) -> str:
    text = "; ".join(_clause(problem.field, problem.message) for problem in bad.problems)
    if not bad.is_lossy:
        return text
    advice = "" if text.endswith(_ADVICE) else f"; {_ADVICE}"
    return f"[{bad.problems[0].code}] {text}{advice}"


def _clause(field: str | None, message: str) -> str:
    return message if field is None else f"{field}: {message}"
