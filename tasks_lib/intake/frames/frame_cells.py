"""The cells of a frame, which are what its content is recognized by and what its tasks hold."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from itertools import groupby
from typing import Final, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.frames.column_cells import Cells, bytes_of, read_cells
from tasks_lib.intake.frames.open_frame import Frame, FrameBatch
from tasks_lib.intake.rows.blocks import BadRow, CellBlock
from tasks_lib.intake.rows.columns import FieldProblem
from tasks_lib.intake.rows.limit_problems import row_too_large, source_too_large
from tasks_lib.intake.rows.prefetch import prefetched

_PROBLEMS: Final = "problems"
"""The last column: the problems of a row that has some, in JSON, and null for the others."""


class FrameCells(Protocol):
    """A frame's rows as cells of the fields, which can be read any number of times."""

    columns: Sequence[str]
    rows: int

    @property
    def is_hashed(self) -> bool:
        """Whether ``sha256`` is known; else asking for it reads the rows."""
        ...

    @property
    def sha256(self) -> str:
        """The identity of the cells.

        It does not depend on the types of the columns that they were made of, nor on how the rows
        were batched.
        """
        ...

    def blocks(self) -> Iterator[CellBlock]:
        """Yield the rows in order, those with problems apart."""
        ...


class ConvertedCells:
    """The cells of a frame that can be read again: each reading converts it, nothing is copied."""

    def __init__(self, frame: Frame, fields: Sequence[Field], limits: Limits) -> None:
        self.columns: Sequence[str] = [field.name for field in fields]
        self.rows = frame.rows
        self._frame = frame
        self._fields = fields
        self._limits = limits
        self._sha256: str | None = None

    @property
    def is_hashed(self) -> bool:
        """Whether the rows were read to their end once."""
        return self._sha256 is not None

    @property
    def sha256(self) -> str:
        """The hash of the cells; raises SourceProblemError if they are too large."""
        if self._sha256 is None:
            digest = CellDigest(self.columns)
            # Converting and hashing both leave the interpreter's lock, so that they overlap.
            with closing(self._convert()) as converted, closing(prefetched(converted)) as batches:
                for batch in batches:
                    digest.update(batch)
            self._sha256 = digest.finish()
        return self._sha256

    def blocks(self) -> Iterator[CellBlock]:
        """Yield the rows in order, those with problems apart; their hash is known then.

        Raises SourceProblemError if they are too large, or at the end if they are not those that
        were hashed before.
        """
        is_known = self._sha256 is not None and not self._frame.may_change
        digest = None if is_known else CellDigest(self.columns)
        done = 0
        with closing(self._convert()) as batches:
            for batch in batches:
                if digest is not None:
                    digest.update(batch)
                yield block_of(batch, done)
                done += len(batch)
        if digest is not None:
            self._check(digest.finish())

    def _check(self, sha256: str) -> None:
        if self._sha256 not in (None, sha256):
            message = f"the {self._frame.title} was changed while it was being read; seed it again"
            raise SourceProblemError(Problem("source_changed", message))
        self._sha256 = sha256

    def _convert(self) -> Generator[pa.RecordBatch]:
        return convert_frame(self._frame, self._fields, self._limits)


def convert_frame(
    frame: Frame, fields: Sequence[Field], limits: Limits
) -> Generator[pa.RecordBatch]:
    """Yield batches of a frame's cells with a last column of problems.

    Raises SourceProblemError when they are larger than the limit.
    """
    names = [field.name for field in fields]
    schema = cell_schema(names)
    rows = size = 0
    with closing(frame.read(names)) as batches:
        for batch in batches:
            columns = _convert(batch, fields, limits, rows)
            size += sum(column.nbytes for column in columns)
            if size > limits.max_source_bytes:
                raise SourceProblemError(source_too_large(f"the {frame.title}", limits))
            yield pa.record_batch(columns, schema=schema)
            rows += batch.rows


def cell_schema(names: Sequence[str]) -> pa.Schema:
    """Return the schema of the batches of ``convert_frame``."""
    return pa.schema([(name, pa.string()) for name in (*names, _PROBLEMS)])


def block_of(batch: pa.RecordBatch, before: int) -> CellBlock:
    """Return the rows of a batch that ``before`` rows precede."""
    numbers = pa.array(np.arange(before + 1, before + len(batch) + 1))
    *columns, problems = batch.columns
    done = before + len(batch)
    if problems.null_count == len(batch):
        return CellBlock(numbers, columns, [], 0, done)
    is_good = problems.is_null()
    bad = [
        BadRow(
            before + place + 1,
            [column[place].as_py() for column in columns],
            msgspec.json.decode(problems[place].as_py(), type=list[Problem]),
            is_lossy=True,
        )
        for place in np.flatnonzero(~is_good.to_numpy(zero_copy_only=False)).tolist()
    ]
    good = [column.filter(is_good) for column in columns]
    return CellBlock(numbers.filter(is_good), good, bad, 0, done)


def _convert(
    batch: FrameBatch, fields: Sequence[Field], limits: Limits, before: int
) -> list[pa.Array]:
    """Return the cells column by column, and the column of problems."""
    converted = [
        read_cells(column, field, limits)
        for column, field in zip(batch.columns, fields, strict=True)
    ]
    problems = [*batch.problems, *(entry for cells in converted for entry in cells.problems)]
    problems += _large_rows(converted, limits)
    columns = [cells.texts for cells in converted]
    return [*columns, _write_problems(problems, batch.rows, before)]


def _large_rows(columns: Sequence[Cells], limits: Limits) -> list[FieldProblem]:
    if not columns:
        return []
    sizes = sum(pc.binary_length(cells.texts).to_numpy().astype(np.int64) for cells in columns)
    return [
        FieldProblem(place, row_too_large(limits, None, subject="the row"))
        for place in np.flatnonzero(sizes > limits.max_row_bytes).tolist()
    ]


def _write_problems(problems: list[FieldProblem], count: int, before: int) -> pa.Array:
    if not problems:
        return pa.nulls(count, pa.string())
    texts: list[str | None] = [None] * count
    in_order = sorted(problems, key=lambda entry: entry.position)
    for position, entries in groupby(in_order, key=lambda entry: entry.position):
        row = before + position + 1
        found = [entry.problem._replace(row=row) for entry in entries]
        texts[position] = msgspec.json.encode(found).decode()
    return pa.array(texts, pa.string())


class CellDigest:
    """The SHA-256 of columns of texts: of their lengths and of their bytes, column by column."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._lengths = [sha256() for _ in (*names, _PROBLEMS)]
        self._texts = [sha256() for _ in (*names, _PROBLEMS)]

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch of cells."""
        for column, lengths, texts in zip(batch.columns, self._lengths, self._texts, strict=True):
            sizes = pc.fill_null(pc.binary_length(column), -1)
            lengths.update(sizes.to_numpy())
            texts.update(bytes_of(column))

    def finish(self) -> str:
        """Return the digest of all rows that were added."""
        parts = [entry.hexdigest() for entry in (*self._lengths, *self._texts)]
        return sha256(msgspec.json.encode([self._names, parts])).hexdigest()
