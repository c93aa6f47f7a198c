"""Read a dataset's rows from Parquet, block by block: each row a JSON object.

A Parquet file can unpack to millions of times its size. Its footer says how large the columns are,
so that files that are too large are rejected before they are read, and the others are read in
batches that fit into memory.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from tasks_lib.domain.datasets import pick_columns
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import counted, visible
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.datasets.arrow_sizes import Sizes, least_sizes
from tasks_lib.intake.datasets.arrow_values import (
    LEAVE_OUT,
    UNREADABLE,
    Plain,
    Reading,
    field_type_of,
    plain_of,
)
from tasks_lib.intake.datasets.block_builder import BLOCK_CHARACTERS, BLOCK_ROWS, BlockBuilder
from tasks_lib.intake.datasets.parquet_footer import Chunk, damaged_footer, read_row_groups
from tasks_lib.intake.datasets.record_blocks import ColumnTypes, check_table
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.intake.rows.limit_problems import row_too_large, source_too_large

_WIDE_BYTES: Final = 2**14
"""Rows of this mean size rarely repeat a text, so a dictionary would be too large."""

_BATCH_ROWS: Final = 8
"""The memory for a batch, in rows of the largest allowed size."""

_FEW_ROWS: Final = 50
"""Rows that are not wide are read at least so many at once; else it would take too long."""

_OPTIONS: Final = {
    "pre_buffer": False,  # by default Arrow would read a whole row group ahead, or more
    "buffer_size": 2**20,
    "page_checksum_verification": True,
}


def parquet_blocks(
    path: Path,
    limits: Limits,
    types: ColumnTypes,
    *,
    columns: Sequence[str] = (),
    nan_as_null: bool = False,
) -> Iterator[CheckedBlock]:
    """Yield the rows of a Parquet file; the types of its columns are those of its schema.

    ``columns`` are those to read; by default all.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded for this alone

    try:
        schema = pq.read_metadata(path).schema
        names = pick_columns(schema.to_arrow_schema().names, columns)
        layout = _plan_layout(path, names, limits)
        paths = {schema.column(place).path for place in range(len(schema))}
        if not paths.issuperset(layout.dictionaries):
            raise SourceProblemError(damaged_footer())
        with (
            pq.ParquetFile(path, read_dictionary=layout.dictionaries, **_OPTIONS) as file,
            pq.ParquetFile(path, **_OPTIONS) as plain,
        ):
            reader = _BatchReader(file.schema_arrow, names, limits, nan_as_null=nan_as_null)
            types.update(reader.types)
            batches = _read_batches(file, plain, layout.rows_at_once, names)
            yield from _read_blocks(batches, path.stat().st_size, file.metadata.num_rows, reader)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        message = f"the file cannot be read as Parquet: {reason}"
        raise SourceProblemError(Problem("not_parquet", message)) from None


def _read_batches(
    file: Any, plain: Any, rows_at_once: int, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of each row group.

    Arrow cannot refer to a dictionary where a nested column changes from one to another, or to
    none. The rest of such a row group is read from ``plain``, a few rows at once as its texts are
    written out.
    """
    for group in range(file.num_row_groups):
        options = {"row_groups": [group], "columns": list(names)}
        done = 0
        try:
            for batch in file.iter_batches(batch_size=rows_at_once, **options):
                yield batch
                done += len(batch)
        except (pa.ArrowNotImplementedError, OSError):
            for batch in plain.iter_batches(batch_size=min(rows_at_once, _FEW_ROWS), **options):
                yield batch.slice(done)
                done = max(0, done - len(batch))


def _read_blocks(
    batches: Iterator[pa.RecordBatch], size: int, total: int, reader: "_BatchReader"
) -> Iterator[CheckedBlock]:
    before = 0
    for batch in batches:
        sizes = reader.least_sizes(batch)
        for start, end in _cut(sizes):
            block = BlockBuilder()
            part = batch.slice(start, end - start)
            reader.add(block, part, before + start, sizes[start:end])
            yield block.finish(size * (before + end) // max(total, 1))
        before += len(batch)
    if before != total:
        message = f"the file cannot be read as Parquet: it holds {before:,} rows, not {total:,}"
        raise SourceProblemError(Problem("not_parquet", message))


def _cut(sizes: Sizes) -> Iterator[tuple[int, int]]:
    """Yield the bounds of parts that, written out, hardly exceed a block."""
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // BLOCK_CHARACTERS)) + 1
    return pairwise([0, *cuts.tolist(), len(sizes)])


class _Layout(NamedTuple):
    """How to read a file: how many rows at once, and which columns as references to texts."""

    rows_at_once: int
    dictionaries: list[str]


def _plan_layout(path: Path, names: Sequence[str], limits: Limits) -> _Layout:
    """Decide how to read the columns; raise SourceProblemError if they are too large."""
    chosen = frozenset(names)
    dictionaries: dict[str, bool] = {}
    rows_at_once = BLOCK_ROWS
    total = 0
    for group in read_row_groups(path):
        chunks = [chunk for chunk in group if chunk.path[0] in chosen]
        total += sum(chunk.size for chunk in chunks)
        if total > limits.max_source_bytes:
            raise SourceProblemError(source_too_large("the file, unpacked,", limits))
        is_wide = _mean_size(chunks, "size") > _WIDE_BYTES
        for chunk in chunks:
            _check_chunk(chunk, limits, is_wide=is_wide)
            if chunk.holds_bytes:
                name = ".".join(chunk.path)
                can_refer = chunk.has_dictionary and not is_wide
                dictionaries[name] = can_refer and dictionaries.get(name, True)
        rows_at_once = min(rows_at_once, _rows_at_once(chunks, limits, is_wide=is_wide))
    return _Layout(rows_at_once, [name for name, can_refer in dictionaries.items() if can_refer])


def _check_chunk(chunk: Chunk, limits: Limits, *, is_wide: bool) -> None:
    """Raise SourceProblemError for values that would fill the memory before a row is seen."""
    name = visible(chunk.path[0])
    if chunk.is_repeated and 2 * chunk.values > limits.max_row_bytes * max(chunk.rows, 1):
        subject = f"a row with {counted(chunk.values // max(chunk.rows, 1), 'value')} in {name}"
        raise SourceProblemError(row_too_large(limits, None, subject=subject))
    can_be_one_row = chunk.is_repeated or (chunk.holds_bytes and is_wide)
    allowed = max(_batch_bytes(limits), limits.max_archive_ratio * chunk.packed_size)
    if can_be_one_row and chunk.unpacked_size > allowed:
        message = (
            f"column {name} unpacks to {chunk.unpacked_size:,} bytes, more than "
            f"{limits.max_archive_ratio} times its size; raise SEEDING_MAX_ARCHIVE_RATIO if that "
            f"is meant, or {LEAVE_OUT}"
        )
        raise SourceProblemError(Problem("ratio_too_high", message, field=chunk.path[0]))


def _batch_bytes(limits: Limits) -> int:
    return _BATCH_ROWS * limits.max_row_bytes


def _rows_at_once(chunks: Sequence[Chunk], limits: Limits, *, is_wide: bool) -> int:
    """Return how many rows of a row group make a batch."""
    rows = BLOCK_CHARACTERS // max(_mean_size(chunks, "unpacked_size"), 1)
    for chunk in chunks:
        if chunk.shares_prefixes or (is_wide and chunk.has_dictionary and chunk.holds_bytes):
            # Each of its texts may be as long as all of the column in the file.
            least = 1 if is_wide else _FEW_ROWS
            rows = min(rows, max(least, _batch_bytes(limits) // max(chunk.size, 1)))
    return max(1, min(BLOCK_ROWS, rows))


def _mean_size(chunks: Sequence[Chunk], size: str) -> int:
    """Return the mean size of the rows of a row group."""
    rows = max((chunk.rows for chunk in chunks), default=0)
    return int(sum(getattr(chunk, size) for chunk in chunks) // max(rows, 1))


class _BatchReader:
    """Converts batches of the columns ``names`` to rows; ``types`` are those of the columns."""

    def __init__(
        self, schema: pa.Schema, names: Sequence[str], limits: Limits, *, nan_as_null: bool
    ) -> None:
        check_table(names, limits, advice=LEAVE_OUT)
        self.names = list(names)
        self.types: ColumnTypes = {}
        self._limits = limits
        self._readers: dict[str, Plain] = {}
        how = Reading(depth=2, nan_as_null=nan_as_null)
        problems: list[Problem] = []
        for name in names:
            kind = schema.field(name).type
            field_type = field_type_of(kind)
            self.types[name] = {field_type} if field_type else set()
            try:
                self._readers[name] = plain_of(kind, how)
            except ValueProblemError as error:
                message = f"column {visible(name)} {error}; {LEAVE_OUT}"
                problems.append(Problem(error.code, message, field=name))
        if problems:
            raise SourceProblemError(*problems)

    def least_sizes(self, batch: pa.RecordBatch) -> Sizes:
        """Return for each row how many bytes it has as JSON at least."""
        sizes = np.zeros(len(batch), dtype=np.int64)
        for array in batch.columns:
            sizes += least_sizes(array)
        return sizes

    def add(self, block: BlockBuilder, batch: pa.RecordBatch, before: int, sizes: Sizes) -> None:
        """Add the rows of a batch to a block; those that are too large are not written out."""
        is_small = sizes <= self._limits.max_row_bytes
        if not is_small.all():
            batch = batch.filter(pa.array(is_small))
        bad: dict[int, list[Problem]] = {}
        columns = [self._column(batch, name, bad) for name in self.names]
        rows = iter(range(len(batch)))
        for number, fits in enumerate(is_small.tolist(), start=before + 1):
            if not fits:
                block.reject(number, row_too_large(self._limits, number))
                continue
            index = next(rows)
            if index in bad:
                block.reject(number, *[problem._replace(row=number) for problem in bad[index]])
                continue
            members = zip(self.names, [column[index] for column in columns], strict=True)
            data = orjson.dumps(dict(members))
            if len(data) > self._limits.max_row_bytes:
                block.reject(number, row_too_large(self._limits, number))
            else:
                block.add(number, data.decode())

    def _column(self, batch: pa.RecordBatch, name: str, bad: dict[int, list[Problem]]) -> list[Any]:
        """Return a column's values, null if unreadable; add the problems to ``bad``."""
        place = batch.schema.get_field_index(name)
        if place < 0:  # a group without members: Arrow reads nothing of it
            return [None] * len(batch)
        array, read = batch.column(place), self._readers[name]
        try:
            return read(array)
        except UNREADABLE:
            values: list[Any] = [None] * len(array)
            for index in range(len(array)):
                try:
                    values[index] = read(array.slice(index, 1))[0]
                except UNREADABLE as error:
                    bad.setdefault(index, []).append(_unreadable(error, name))
            return values


def _unreadable(error: Exception, name: str) -> Problem:
    match error:
        case ValueProblemError():
            return Problem(error.code, str(error), field=name)
        case UnicodeDecodeError():
            return Problem("invalid_encoding", "holds bytes that are not UTF-8", field=name)
    message = "is a date or time beyond the years 1 to 9999"
    return Problem("unsupported_value", message, field=name)
