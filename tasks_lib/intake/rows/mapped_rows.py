"""Take the rows of a dataset or a pipeline in, as values of the fields that a plan fills."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.compile import FilledField
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem
from tasks_lib.intake.rows.blocks import BadRow, CellBlock, CheckedBlock
from tasks_lib.intake.rows.checked_rows import CheckKeys, checked_blocks
from tasks_lib.intake.rows.row_intake import OnBlock, RowIntake

StoredRow = tuple[int, int, str]
"""The id of a dataset's row or a task, its number for people, and its JSON text."""

Parse = Callable[[str], Mapping[str, Any]]


class StoredRows(NamedTuple):
    """The rows of a dataset or a pipeline: their number, batches of them, and how to parse one."""

    total: int
    batches: Iterator[list[StoredRow]]
    parse: Parse


class EmptyFields:
    """The fields that have had a value in none of the ``rows`` so far."""

    def __init__(self, filled: Sequence[FilledField]) -> None:
        self.rows = 0
        self._left = {place: entry.field.name for place, entry in enumerate(filled)}

    @property
    def names(self) -> list[str]:
        """The names of the fields, in the plan's order."""
        return list(self._left.values()) if self.rows else []

    def note(self, columns: Sequence[Sequence[str]], rows: int) -> None:
        """Take the cells of some rows into account, column by column."""
        self.rows += rows
        for place in [place for place in self._left if any(columns[place])]:
            del self._left[place]


def open_mapped(
    rows: StoredRows,
    filled: Sequence[FilledField],
    limits: Limits,
    *,
    empty_fields: EmptyFields | None = None,
    on_progress: OnProgress = lambda _: None,
    on_block: OnBlock = lambda _: None,
    check_keys: CheckKeys | None = None,
) -> RowIntake:
    """Open stored rows as values of the fields that a plan fills.

    The fields are the columns of the rejects file; ``empty_fields`` notes which of them get a
    value. The other arguments are those of ``RowIntake``.
    """
    reader = _MappedReader(rows, filled, empty_fields or EmptyFields(filled))
    blocks = _with_origins(reader, filled, check_keys)
    return RowIntake(
        reader.columns, blocks, rows.total, limits, on_progress=on_progress, on_block=on_block
    )


class _MappedReader:
    """Writes each row's values as cells of the fields; ``ids`` are those of the last block."""

    def __init__(
        self, rows: StoredRows, filled: Sequence[FilledField], empty_fields: EmptyFields
    ) -> None:
        self.columns = [entry.field.name for entry in filled]
        self.numbers = self.ids = pa.array([], pa.int64())
        self._source = rows
        self._filled = filled
        self._empty_fields = empty_fields

    def blocks(self) -> Iterator[CellBlock]:
        done = 0
        for batch in self._source.batches:
            ids, numbers, texts = zip(*batch, strict=True)
            self.ids, self.numbers = _integers(ids), _integers(numbers)
            done += len(batch)
            yield self._block([self._source.parse(text) for text in texts], numbers, done)
        if done < self._source.total:  # the others were seeded before
            yield self._block([], [], self._source.total)

    def _block(
        self, rows: Sequence[Mapping[str, Any]], numbers: Sequence[int], done: int
    ) -> CellBlock:
        try:
            columns = [[entry.cell_of(row) for row in rows] for entry in self._filled]
        except ValueProblemError:
            return self._careful_block(rows, numbers, done)
        self._empty_fields.note(columns, len(rows))
        return CellBlock(_integers(numbers), _texts(columns), [], 0, done)

    def _careful_block(
        self, rows: Sequence[Mapping[str, Any]], numbers: Sequence[int], done: int
    ) -> CellBlock:
        good: list[int] = []
        cells: list[list[str]] = []
        bad: list[BadRow] = []
        for row, number in zip(rows, numbers, strict=True):
            row_cells, problems = self._cells(row, number)
            if problems:
                bad.append(BadRow(number, row_cells, problems, is_lossy=True))
            else:
                good.append(number)
                cells.append(row_cells)
        columns = [[row[index] for row in cells] for index in range(len(self.columns))]
        self._empty_fields.note(columns, len(cells))
        return CellBlock(_integers(good), _texts(columns), bad, 0, done)

    def _cells(self, row: Mapping[str, Any], number: int) -> tuple[list[str], list[Problem]]:
        cells, problems = [], []
        for entry in self._filled:
            try:
                cells.append(entry.cell_of(row))
            except ValueProblemError as problem:
                cells.append("")
                problems.append(Problem(problem.code, str(problem), number, entry.field.name))
        return cells, problems


def _with_origins(
    reader: _MappedReader, filled: Sequence[FilledField], check_keys: CheckKeys | None
) -> Generator[CheckedBlock]:
    readers = {entry.field.name: entry.read for entry in filled}
    fields = [entry.field for entry in filled]
    for block in checked_blocks(reader, fields, lambda field: readers[field.name], check_keys):
        positions = pc.index_in(block.numbers, value_set=reader.numbers)
        yield replace(block, origins=reader.ids.take(positions))


def _integers(numbers: Sequence[int]) -> pa.Array:
    return pa.array(np.fromiter(numbers, dtype=np.int64, count=len(numbers)))


def _texts(columns: Sequence[Sequence[str]]) -> list[pa.Array]:
    return [pa.array(column, pa.string()) for column in columns]
