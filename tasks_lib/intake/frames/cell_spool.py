"""A local copy of a frame's cells, so that its content is known before its rows are loaded."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Final

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
from tasks_lib.transport.temporary import writing_temporary_files

_PROBLEMS: Final = "problems"
"""The last column: the problems of a row that has some, in JSON, and null for the others."""


class CellSpool:
    """A frame's rows as cells of the fields, in a local file that is read like a source.

    ``sha256`` identifies the cells; it does not depend on the types of the columns that they were
    made of, nor on how the rows were batched.
    """

    def __init__(self, path: Path, columns: Sequence[str], rows: int, digest: str) -> None:
        self.columns = list(columns)
        self.rows = rows
        self.sha256 = digest
        self._path = path

    def blocks(self) -> Iterator[CellBlock]:
        """Yield the rows in order, those with problems apart."""
        done = 0
        with pa.memory_map(str(self._path)) as file:
            reader = pa.ipc.open_file(file)
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                yield _block(batch, done)
                done += len(batch)


def _block(batch: pa.RecordBatch, before: int) -> CellBlock:
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


def spool_cells(frame: Frame, fields: Sequence[Field], limits: Limits, path: Path) -> CellSpool:
    """Convert a frame's columns to cells of the fields, and copy them to a file.

    Memory does not grow with the rows. Raises SourceProblemError if they are larger than the limit.
    """
    names = [field.name for field in fields]
    schema = pa.schema([(name, pa.string()) for name in (*names, _PROBLEMS)])
    digest = _Digest(names)
    rows = size = 0
    with (
        writing_temporary_files(),
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, schema) as writer,
        closing(frame.read(names)) as batches,
    ):
        for batch in batches:
            columns = _convert(batch, fields, limits, rows)
            digest.update(columns)
            size += sum(column.nbytes for column in columns)
            if size > limits.max_source_bytes:
                raise SourceProblemError(source_too_large(f"the {frame.title}", limits))
            writer.write_batch(pa.record_batch(columns, schema=schema))
            rows += batch.rows
    return CellSpool(path, names, rows, digest.finish())


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


class _Digest:
    """The SHA-256 of columns of texts: of their lengths and of their bytes, column by column."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._lengths = [sha256() for _ in (*names, _PROBLEMS)]
        self._texts = [sha256() for _ in (*names, _PROBLEMS)]

    def update(self, columns: Sequence[pa.Array]) -> None:
        """Add rows."""
        for column, lengths, texts in zip(columns, self._lengths, self._texts, strict=True):
            sizes = pc.fill_null(pc.binary_length(column), -1)
            lengths.update(sizes.to_numpy())
            texts.update(bytes_of(column))

    def finish(self) -> str:
        """Return the digest of all rows that were added."""
        parts = [entry.hexdigest() for entry in (*self._lengths, *self._texts)]
        return sha256(msgspec.json.encode([self._names, parts])).hexdigest()
