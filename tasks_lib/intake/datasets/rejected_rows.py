"""Collect the rejected rows of an import in a CSV that can be corrected and imported."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tasks_lib.domain.rows.dialects import Dialect
from tasks_lib.domain.rows.json_rows import json_text, parse_row
from tasks_lib.errors import Problem
from tasks_lib.intake.rows.blocks import BadRow
from tasks_lib.intake.rows.rejects import RejectsFile
from tasks_lib.transport.temporary import temporary_folder

_NAME: Final = "rejects.csv"


class RejectedRows:
    """A rejects file that begins with the first rejected row.

    It has the columns of a table. A row of which no cells are known has a mark, so that it is
    rejected again until it is filled in. Rows of JSON have only their number and their errors.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._file: RejectsFile | None = None
        self._names: list[str] = []
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    def add(self, names: Sequence[str], bad: BadRow) -> None:
        """Write a row as its source has it; ``names`` are those of its cells."""
        self._open(names).add(bad if bad.cells else replace(bad, is_lossy=True))

    def add_value(self, names: Sequence[str], value: str, problem: Problem) -> None:
        """Write a row of which only its JSON object is left."""
        file, values = self._open(names), parse_row(value)
        cells = [_cell(values.get(name)) for name in self._names]
        is_lossy = not set(values) <= set(self._names)
        file.add(BadRow(problem.row or 0, cells, [problem], is_lossy))

    def finish(self) -> Path | None:
        """Close the file and return its path; None if no row was rejected."""
        return self._file.finish() if self._file is not None else None

    def _open(self, names: Sequence[str]) -> RejectsFile:
        if self._file is None:
            folder = self._resources.enter_context(temporary_folder())
            self._names = list(names)
            file = RejectsFile(folder / _NAME, self._names, self._dialect)
            self._file = self._resources.enter_context(file)
        return self._file


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)
