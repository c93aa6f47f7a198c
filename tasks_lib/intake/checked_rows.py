"""Put reading and checking together: blocks of rows that can become tasks, and rows that cannot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
import pyarrow as pa

from tasks_lib.domain.fields import Field
from tasks_lib.domain.values import ReaderOf, reader_of
from tasks_lib.intake.columns import FieldProblem, shape_of
from tasks_lib.intake.csv_reader import BadRow, RowBlock


@dataclass(frozen=True)
class CheckedBlock:
    """Consecutive rows: ``numbers`` (int64) with the JSON ``values`` of tasks, and the bad ones.

    ``done`` says how far the source is read, ``origins`` where rows come from that have an id.
    """

    numbers: pa.Array
    values: pa.Array
    bad: list[BadRow]
    blank: int
    done: int
    origins: pa.Array | None = None


class RowReader(Protocol):
    """Where rows are read from, column by column."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns' names."""
        ...

    def blocks(self) -> Iterator[RowBlock]:
        """Yield the rows in order, each in exactly one block."""
        ...


def checked_blocks(
    reader: RowReader, fields: Sequence[Field], reader_of: ReaderOf = reader_of
) -> Iterator[CheckedBlock]:
    """Yield the reader's blocks, checked; columns that are no field of ``fields`` are ignored."""
    shape = shape_of(fields, reader_of)
    order = [reader.columns.index(field.name) for field in fields]
    for block in reader.blocks():
        shaped = shape([block.columns[index] for index in order])
        if not shaped.problems:
            yield CheckedBlock(
                block.numbers, shaped.values, block.bad, block.blank, block.bytes_read
            )
            continue
        rejected = _rejected_rows(block, shaped.problems)
        is_good = np.ones(len(block.numbers), dtype=bool)
        is_good[[problem.position for problem in shaped.problems]] = False
        good = pa.array(is_good)
        yield CheckedBlock(
            block.numbers.filter(good),
            shaped.values.filter(good),
            sorted([*block.bad, *rejected], key=lambda bad: bad.row),
            block.blank,
            block.bytes_read,
        )


def _rejected_rows(block: RowBlock, problems: list[FieldProblem]) -> list[BadRow]:
    rejected = []
    in_order = sorted(problems, key=lambda problem: problem.position)
    for position, found in groupby(in_order, key=lambda problem: problem.position):
        row = block.numbers[position].as_py()
        cells = [column[position].as_py() for column in block.columns]
        rejected.append(BadRow(row, cells, [entry.problem._replace(row=row) for entry in found]))
    return rejected
