"""Write the rows that were turned away as a CSV that can be corrected and uploaded as it is."""

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tasks_lib.domain.fields import RESERVED_NAMES
from tasks_lib.intake.csv_reader import BadRow


class RejectsFile:
    """A CSV with the original columns, then ``_row`` and ``_errors``; UTF-8 with a BOM.

    The BOM makes spreadsheets read it as UTF-8. A cell whose bytes were not UTF-8 keeps them, so
    that it is rejected again unless someone corrects it.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._kept = [i for i, name in enumerate(columns) if name not in RESERVED_NAMES]
        self._width = len(columns)
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        self._writer = csv.writer(self._file)
        self._file.write("\ufeff")
        self._writer.writerow([*(columns[i] for i in self._kept), "_row", "_errors"])

    def add(self, bad: BadRow) -> None:
        """Write one row; cells beyond the header's are told in its errors."""
        padded = bad.cells + [""] * (self._width - len(bad.cells))
        errors = [_clause(problem.field, problem.message) for problem in bad.problems]
        extra = bad.cells[self._width :]
        if extra:
            errors.append(f"cells beyond the header: {extra!r}")
        self._writer.writerow([*(padded[i] for i in self._kept), bad.row, "; ".join(errors)])

    def finish(self) -> Path:
        """Write out what is buffered, close the file and return where it lies."""
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
        self._file.close()


def _clause(field: str | None, message: str) -> str:
    return message if field is None else f"{field}: {message}"
