"""Check the cells that a reader yields, and turn them into JSON objects."""

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
import pyarrow as pa

from tasks_lib.domain.fields import Field
from tasks_lib.domain.values.readers import ReaderOf, reader_of
from tasks_lib.intake.rows.arrays import mask_array, number_array
from tasks_lib.intake.rows.blocks import BadRow, CellBlock, CheckedBlock
from tasks_lib.intake.rows.columns import FieldProblem, ShapedRows, shape_of

CheckKeys = Callable[[pa.Array, pa.Array], list[FieldProblem]]
"""Takes the numbers and the JSON objects of valid rows; returns the problems of their keys."""


class CellReader(Protocol):
    """Reads a source's rows as cells of text, column by column."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns' names."""
        ...

    def blocks(self) -> Iterator[CellBlock]:
        """Yield the rows in order, each in exactly one block."""
        ...


def checked_blocks(
    reader: CellReader,
    fields: Sequence[Field],
    reader_of: ReaderOf = reader_of,
    check_keys: CheckKeys | None = None,
) -> Generator[CheckedBlock]:
    """Yield the reader's blocks, checked; ignore columns that are not in ``fields``.

    ``check_keys`` returns the problems of valid rows whose key an earlier row has.
    """
    shape = shape_of(fields, reader_of)
    order = [reader.columns.index(field.name) for field in fields]
    for block in reader.blocks():
        shaped = shape([block.columns[index] for index in order])
        if check_keys is not None:
            shaped = _with_key_problems(shaped, block.numbers, check_keys)
        if not shaped.problems:
            yield CheckedBlock(
                block.numbers, shaped.values, block.bad, block.bytes_read, block.blank
            )
            continue
        rejected = _rejected_rows(block, shaped.problems)
        is_good = np.ones(len(block.numbers), dtype=bool)
        is_good[[problem.position for problem in shaped.problems]] = False
        good = mask_array(is_good)
        yield CheckedBlock(
            block.numbers.filter(good),
            shaped.values.filter(good),
            sorted([*block.bad, *rejected], key=lambda bad: bad.row),
            block.bytes_read,
            block.blank,
        )


def _with_key_problems(shaped: ShapedRows, numbers: pa.Array, check: CheckKeys) -> ShapedRows:
    is_valid = np.ones(len(numbers), dtype=bool)
    is_valid[[problem.position for problem in shaped.problems]] = False
    positions = np.flatnonzero(is_valid)
    valid = number_array(positions)
    problems = [
        FieldProblem(int(positions[problem.position]), problem.problem)
        for problem in check(numbers.take(valid), shaped.values.take(valid))
    ]
    return ShapedRows(shaped.values, [*shaped.problems, *problems])


def _rejected_rows(block: CellBlock, problems: list[FieldProblem]) -> list[BadRow]:
    rejected = []
    in_order = sorted(problems, key=lambda problem: problem.position)
    for position, entries in groupby(in_order, key=lambda problem: problem.position):
        row = block.numbers[position].as_py()
        cells = [column[position].as_py() for column in block.columns]
        rejected.append(BadRow(row, cells, [entry.problem._replace(row=row) for entry in entries]))
    return rejected
