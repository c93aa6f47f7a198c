"""Take the rows of a dataset or of another pipeline in, as rows of the fields that a plan fills."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.mapping_plan import FilledField
from tasks_lib.domain.problems import Problem
from tasks_lib.domain.values import ValueProblemError
from tasks_lib.intake.checked_rows import CheckedBlock, checked_blocks
from tasks_lib.intake.csv_reader import BadRow, RowBlock
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.row_intake import RowIntake

SourceRow = tuple[int, int, str]
"""A row's id, its number for people, and its JSON text."""

Parse = Callable[[str], Mapping[str, Any]]


class RowFeed(NamedTuple):
    """The rows of a source: how many there are, the batches in which they come, how to read one."""

    total: int
    batches: Iterator[list[SourceRow]]
    parse: Parse


class MappedIntake(RowIntake):
    """One pass over a source's rows, mapped; the rejects file has the fields as its columns."""

    def __init__(
        self,
        feed: RowFeed,
        filled: Sequence[FilledField],
        limits: Limits,
        on_progress: OnProgress = lambda _: None,
    ) -> None:
        super().__init__(limits, on_progress)
        with ExitStack() as opening:
            reader = _MappedReader(feed, filled)
            self._start(opening, reader.columns, _with_origins(reader, filled), feed.total)


class ChainIntake(MappedIntake):
    """A pass that gives up no row for the others; ``misfits`` has the first problem of each."""

    def __init__(self, feed: RowFeed, filled: Sequence[FilledField], limits: Limits) -> None:
        self.misfits: list[Problem] = []
        super().__init__(feed, filled, limits._replace(max_errors=sys.maxsize))

    def _tally(self, block: CheckedBlock) -> None:
        super()._tally(block)
        self.misfits += [bad.problems[0]._replace(row=bad.row) for bad in block.bad]


class _MappedReader:
    """Spells the values of each row as cells of the fields; ``ids`` are those of the last block."""

    def __init__(self, feed: RowFeed, filled: Sequence[FilledField]) -> None:
        self.columns = [entry.field.name for entry in filled]
        self.numbers = self.ids = pa.array([], pa.int64())
        self._feed = feed
        self._filled = filled

    def blocks(self) -> Iterator[RowBlock]:
        done = 0
        for batch in self._feed.batches:
            ids, numbers, texts = zip(*batch, strict=True)
            self.ids, self.numbers = _integers(ids), _integers(numbers)
            done += len(batch)
            yield self._block([self._feed.parse(text) for text in texts], numbers, done)
        if done < self._feed.total:  # the others were let in before
            yield self._block([], [], self._feed.total)

    def _block(
        self, rows: Sequence[Mapping[str, Any]], numbers: Sequence[int], done: int
    ) -> RowBlock:
        try:
            columns = [[entry.cell_of(row) for row in rows] for entry in self._filled]
        except ValueProblemError:
            return self._careful_block(rows, numbers, done)
        return RowBlock(_integers(numbers), _texts(columns), [], 0, done)

    def _careful_block(
        self, rows: Sequence[Mapping[str, Any]], numbers: Sequence[int], done: int
    ) -> RowBlock:
        good: list[int] = []
        cells: list[list[str]] = []
        bad: list[BadRow] = []
        for row, number in zip(rows, numbers, strict=True):
            spelled, problems = self._cells(row, number)
            if problems:
                bad.append(BadRow(number, spelled, problems))
            else:
                good.append(number)
                cells.append(spelled)
        columns = [[row[index] for row in cells] for index in range(len(self.columns))]
        return RowBlock(_integers(good), _texts(columns), bad, 0, done)

    def _cells(self, row: Mapping[str, Any], number: int) -> tuple[list[str], list[Problem]]:
        cells, problems = [], []
        for entry in self._filled:
            try:
                cells.append(entry.cell_of(row))
            except ValueProblemError as problem:
                cells.append("")
                problems.append(Problem(problem.code, str(problem), number, entry.field.name))
        return cells, problems


def _with_origins(reader: _MappedReader, filled: Sequence[FilledField]) -> Iterator[CheckedBlock]:
    readers = {entry.field.name: entry.read for entry in filled}
    fields = [entry.field for entry in filled]
    for block in checked_blocks(reader, fields, lambda field: readers[field.name]):
        found = pc.index_in(block.numbers, value_set=reader.numbers)
        yield replace(block, origins=reader.ids.take(found))


def _integers(numbers: Sequence[int]) -> pa.Array:
    return pa.array(np.fromiter(numbers, dtype=np.int64, count=len(numbers)))


def _texts(columns: Sequence[Sequence[str]]) -> list[pa.Array]:
    return [pa.array(column, pa.string()) for column in columns]
