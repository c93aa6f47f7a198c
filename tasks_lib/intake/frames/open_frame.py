"""Recognize the rows that a Python program holds, and read them in batches, column by column."""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from tasks_lib.domain.names import shortened, visible
from tasks_lib.errors import Problem, UsageError
from tasks_lib.intake.frames.column_cells import FrameColumn
from tasks_lib.intake.rows.columns import FieldProblem

BATCH_ROWS: Final = 10_000
"""All batches but the last one have so many rows."""

_EXPECTED: Final = "a pandas or polars DataFrame, an Arrow table, or an iterable of dicts"


class FrameBatch(NamedTuple):
    """Consecutive rows: the columns that were asked for, and the problems of rows.

    ``problems`` has the row's position in the batch; such a row's values are null.
    """

    rows: int
    columns: list[FrameColumn]
    problems: Sequence[FieldProblem] = ()


class Frame(NamedTuple):
    """Rows that a Python program holds; ``read`` yields the named columns.

    It can be used once; with ``is_repeatable`` any number of times, and ``rows`` is their number.
    With ``may_change`` another reading can have other values. With ``may_lack_columns`` a row can
    lack a column, which is null then, and have others than ``names``, those of the first row.
    """

    title: str
    names: tuple[str, ...]
    read: Callable[[Sequence[str]], Generator[FrameBatch]]
    may_lack_columns: bool = False
    is_repeatable: bool = False
    may_change: bool = True
    rows: int = 0


def open_frame(data: object) -> Frame:
    """Recognize the rows.

    The named levels of a pandas index are columns; an index without a name is left out. Raises
    UsageError for anything else than rows, and for a column whose name is not a text.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return _open_pandas(data)
    polars = sys.modules.get("polars")
    if isinstance(data, pa.Table):
        return _open_table("Arrow table", data)
    if polars is not None and isinstance(data, polars.DataFrame):
        return _open_table("DataFrame", pa.table(data))
    if isinstance(data, pa.RecordBatchReader):
        return _open_stream("Arrow stream", data)
    is_series = pandas is not None and isinstance(data, pandas.Series | pandas.Index)
    if hasattr(data, "__arrow_c_stream__") and not is_series:
        try:
            return _open_stream("DataFrame", pa.RecordBatchReader.from_stream(data))
        except (pa.ArrowException, TypeError):
            raise _no_rows(data) from None
    if is_series or not isinstance(data, Iterable) or isinstance(data, Mapping):
        raise _no_rows(data)
    if isinstance(data, str | bytes | Path):
        raise UsageError(
            f"seed() takes rows: {_EXPECTED}. To seed the file {shortened(str(data))}, use a flow "
            "or a command"
        )
    return _open_dicts(data)


def _no_rows(data: object) -> UsageError:
    hint = "; make a DataFrame of a dict of columns" if isinstance(data, Mapping) else ""
    return UsageError(f"seed() takes rows: {_EXPECTED}, not {type(data).__name__}{hint}")


def _open_pandas(data: Any) -> Frame:
    """Open a shallow copy: pandas copies what the caller changes in the original meanwhile.

    But it does not see a change in a list or a dict, which only columns of objects hold.
    """
    frame = data.copy(deep=False)
    levels = [place for place, name in enumerate(frame.index.names) if name is not None]
    labels = _texts([*(frame.index.names[place] for place in levels), *frame.columns])

    def find_column(name: str) -> Any:
        place = labels.index(name)
        if place < len(levels):
            return frame.index.get_level_values(levels[place])
        return frame.iloc[:, place - len(levels)]

    def read(names: Sequence[str]) -> Generator[FrameBatch]:
        columns = [find_column(name) for name in names]
        for start in range(0, len(frame), BATCH_ROWS):
            end = min(start + BATCH_ROWS, len(frame))
            parts = [_cut(column, start, end) for column in columns]
            yield FrameBatch(end - start, [_read_pandas(part) for part in parts])

    may_change = any(find_column(name).dtype == object for name in labels)
    return Frame(
        "DataFrame", labels, read, is_repeatable=True, may_change=may_change, rows=len(frame)
    )


def _cut(column: Any, start: int, end: int) -> Any:
    return column.iloc[start:end] if hasattr(column, "iloc") else column[start:end]


def _texts(labels: Sequence[object]) -> tuple[str, ...]:
    for label in labels:
        if not isinstance(label, str):
            raise UsageError(f"column {label!r} has a name that is not text; rename it")
    return tuple(map(str, labels))


def _read_pandas(column: Any) -> FrameColumn:
    """Return a column as Arrow has it, or as Python values if it can hold any of them."""
    if column.dtype == object:
        return list(column)
    try:
        return _combine(pa.array(column, from_pandas=True))
    except (pa.ArrowException, TypeError, ValueError):
        return list(column)  # a type without a counterpart: each value is converted or rejected


def _open_table(title: str, table: pa.Table) -> Frame:
    def read(names: Sequence[str]) -> Generator[FrameBatch]:
        places = [table.schema.names.index(name) for name in names]
        for start in range(0, len(table), BATCH_ROWS):
            yield _read_table(table.slice(start, BATCH_ROWS), places)

    names = tuple(table.schema.names)
    return Frame(title, names, read, is_repeatable=True, may_change=False, rows=len(table))


def _open_stream(title: str, reader: pa.RecordBatchReader) -> Frame:
    def read(names: Sequence[str]) -> Generator[FrameBatch]:
        places = [reader.schema.names.index(name) for name in names]
        waiting: list[pa.RecordBatch] = []
        count = 0
        for batch in reader:
            waiting.append(batch)
            count += len(batch)
            while count >= BATCH_ROWS:
                table = pa.Table.from_batches(waiting, reader.schema)
                yield _read_table(table.slice(0, BATCH_ROWS), places)
                rest = table.slice(BATCH_ROWS)
                waiting, count = rest.to_batches(), len(rest)
        if count:
            yield _read_table(pa.Table.from_batches(waiting, reader.schema), places)

    return Frame(title, tuple(reader.schema.names), read)


def _read_table(table: pa.Table, places: Sequence[int]) -> FrameBatch:
    return FrameBatch(len(table), [_combine(table.column(place)) for place in places])


def _combine(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(combined, pa.ChunkedArray):  # of more than 2 GiB, or without a chunk
        combined = pa.concat_arrays(combined.chunks)
    return combined


def _open_dicts(data: Iterable[object]) -> Frame:
    rows = iter(data)
    first = list(islice(rows, 1))
    names = tuple(first[0]) if first and isinstance(first[0], Mapping) else ()

    def read(names: Sequence[str]) -> Generator[FrameBatch]:
        known = frozenset(names)
        batch: list[Any] = [*first, *islice(rows, BATCH_ROWS - len(first))]
        while batch:
            problems = list(_row_problems(batch, known))
            for place in {problem.position for problem in problems}:
                batch[place] = {}
            yield FrameBatch(
                len(batch), [[row.get(name) for row in batch] for name in names], problems
            )
            batch = list(islice(rows, BATCH_ROWS))

    return Frame("rows", _texts(names), read, may_lack_columns=True)


def _row_problems(rows: Sequence[object], known: frozenset[str]) -> Iterator[FieldProblem]:
    for position, row in enumerate(rows):
        if not isinstance(row, Mapping):
            message = f"is {type(row).__name__}, not a dict"
            yield FieldProblem(position, Problem("not_an_object", message))
            continue
        if not known.issuperset(row):
            for name in row:
                if name not in known:
                    text = visible(name) if isinstance(name, str) else repr(name)
                    message = f"{text} is not a dataset field of the pipeline"
                    yield FieldProblem(position, Problem("unknown_field", message, field=str(name)))
