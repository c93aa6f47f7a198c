"""Read datasets block by block, from CSV, JSON and Parquet: each row a JSON object.

A CSV's cells are text, and null where they are empty. JSON keeps its values to the letter.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.datasets import check_columns, is_nameless, why_no_name
from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.json_rows import Digits
from tasks_lib.domain.names import visible
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.values import ValueProblemError
from tasks_lib.intake.arrow_values import UNREADABLE, Plain, field_type_of, plain_of
from tasks_lib.intake.checked_rows import checked_blocks
from tasks_lib.intake.csv_reader import CsvReader
from tasks_lib.intake.encodings import Utf8Stream
from tasks_lib.intake.json_records import JsonRecord, json_array, json_lines, read_object
from tasks_lib.intake.limits import Limits

_BLOCK_ROWS: Final = 5_000
_BLOCK_CHARACTERS: Final = 2**22
_WIDE_BYTES: Final = 2**14
"""To a row: texts this large, each of them another one, would make too large a dictionary."""

_KINDS: Final[dict[type, FieldType]] = {
    str: FieldType.TEXT,
    int: FieldType.INTEGER,
    float: FieldType.NUMBER,
    bool: FieldType.BOOLEAN,
    list: FieldType.JSON,
    dict: FieldType.JSON,
}

Kinds = dict[str, set[FieldType]]
"""The types of the values that each column was seen to hold, in order of appearance."""


class DatasetBlock(NamedTuple):
    """Some rows: their numbers (int64), their JSON objects (string), and what is wrong with others.

    ``rejected`` counts those others, ``done`` the bytes of the file up to here.
    """

    numbers: pa.Array
    values: pa.Array
    problems: list[Problem]
    rejected: int
    done: int


def csv_blocks(
    file: BinaryIO, limits: Limits, kinds: Kinds, *, delimiter: str, encoding: str
) -> Iterator[DatasetBlock]:
    """Yield the rows of a CSV, all of whose columns are text."""
    stream = Utf8Stream(file, encoding)
    reader = CsvReader(stream, limits, delimiter, stream.name)
    _check_header(reader.columns, limits)
    kinds.update({name: {FieldType.TEXT} for name in reader.columns})
    for block in checked_blocks(reader, [_text_field(name) for name in reader.columns]):
        bad = [problem for row in block.bad for problem in row.problems]
        yield DatasetBlock(block.numbers, block.values, bad, len(block.bad), file.tell())


def json_array_blocks(
    file: BinaryIO, limits: Limits, kinds: Kinds, *, encoding: str
) -> Iterator[DatasetBlock]:
    """Yield the objects of a JSON array."""
    stream = Utf8Stream(file, encoding)
    return _json_blocks(json_array(stream, limits), stream.name, limits, kinds, file.tell)


def json_lines_blocks(
    file: BinaryIO, limits: Limits, kinds: Kinds, *, encoding: str
) -> Iterator[DatasetBlock]:
    """Yield the objects of JSON Lines."""
    stream = Utf8Stream(file, encoding)
    return _json_blocks(json_lines(stream, limits), stream.name, limits, kinds, file.tell)


def parquet_blocks(path: Path, limits: Limits, kinds: Kinds) -> Iterator[DatasetBlock]:
    """Yield the rows of a Parquet file; the types of its columns are those of its schema."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded for this alone

    try:
        texts = _repetitive_columns(pq.read_metadata(path))
        # Unless told so, it would read a whole row group ahead, or more.
        options = {"pre_buffer": False, "buffer_size": 2**20, "page_checksum_verification": True}
        with pq.ParquetFile(path, read_dictionary=texts, **options) as file:
            yield from _parquet_blocks(file, path.stat().st_size, limits, kinds)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        message = f"the file cannot be read as Parquet: {reason}"
        raise SourceProblemError(Problem("not_parquet", message)) from None


def _text_field(name: str) -> Field:
    # A header is no name of ours, and need not look like one.
    return Field.model_construct(
        name=name, type=FieldType.TEXT, source=FieldSource.DATASET, required=False
    )


def _check_header(names: Sequence[str], limits: Limits) -> None:
    if len(names) > limits.max_columns:
        raise _too_many_columns(limits)
    problems = check_columns(names)
    if problems:
        raise SourceProblemError(*problems)


class _Rows:
    """The rows that are to be the next block."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.rejected = 0
        self._numbers: list[int] = []
        self._values: list[str] = []
        self._characters = 0

    @property
    def is_full(self) -> bool:
        count = len(self._numbers) + self.rejected
        return count >= _BLOCK_ROWS or self._characters >= _BLOCK_CHARACTERS

    def add(self, row: int, value: str) -> None:
        self._numbers.append(row)
        self._values.append(value)
        self._characters += len(value)

    def reject(self, *problems: Problem) -> None:
        self.problems.extend(problems)
        self.rejected += 1

    def block(self, done: int) -> DatasetBlock:
        numbers = pa.array(np.array(self._numbers, dtype=np.int64))
        values = pa.array(self._values, pa.string())
        return DatasetBlock(numbers, values, self.problems, self.rejected, done)


def _json_blocks(
    records: Iterator[JsonRecord],
    encoding: str,
    limits: Limits,
    kinds: Kinds,
    tell: Callable[[], int],
) -> Iterator[DatasetBlock]:
    rows = _Rows()
    try:
        for row, data in records:
            try:
                value, members = read_object(_decoded(data, encoding))
                _note(members, limits, kinds)
            except ValueProblemError as problem:
                rows.reject(Problem(problem.code, str(problem), row))
            else:
                rows.add(row, value)
            if rows.is_full:
                yield rows.block(tell())
                rows = _Rows()
    except SourceProblemError:
        yield rows.block(tell())  # what is wrong with earlier rows may be why
        raise
    yield rows.block(tell())


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if not encoding.startswith("utf-8"):
            message = f"holds bytes that are not {encoding}"
        else:
            message = (
                f"byte 0x{data[error.start]:02X}, the row's number {error.start + 1:,}, is not "
                "UTF-8; give the file's encoding, such as cp1252, latin-1 or shift_jis"
            )
        raise ValueProblemError("invalid_encoding", message) from None


def _note(members: dict[str, Any], limits: Limits, kinds: Kinds) -> None:
    """Remember the row's columns and the types of its values."""
    if not members.keys() <= kinds.keys():
        new = [name for name in members if name not in kinds]
        for name in new:
            _check_name(name)
        if len(kinds) + len(new) > limits.max_columns:
            raise _too_many_columns(limits)
        kinds.update({name: set() for name in new})
    for name, value in members.items():
        if value is not None:
            kinds[name].add(_KINDS.get(type(value)) or _kind_of_digits(value))


def _kind_of_digits(number: Digits) -> FieldType:
    return FieldType.INTEGER if number.lstrip("-").isdigit() else FieldType.NUMBER


def _check_name(name: str) -> None:
    if is_nameless(name):
        shown = f": one is called {visible(name)}" if name else ""
        raise ValueProblemError("not_an_object", f"has a member without a name{shown}")
    reason = why_no_name(name)
    if reason:
        raise ValueProblemError("invalid_column_name", f"the member {visible(name)} {reason}")


def _too_many_columns(limits: Limits) -> SourceProblemError:
    message = (
        f"the rows have more than {limits.max_columns:,} different columns; "
        "raise SEEDING_MAX_COLUMNS if that is meant"
    )
    return SourceProblemError(Problem("too_many_columns", message))


def _parquet_blocks(file: Any, size: int, limits: Limits, kinds: Kinds) -> Iterator[DatasetBlock]:
    schema = file.schema_arrow
    _check_header(schema.names, limits)
    readers = _column_readers(schema)
    for name, kind in zip(schema.names, schema.types, strict=True):
        found = field_type_of(kind)
        kinds[name] = {found} if found else set()
    before, total = 0, file.metadata.num_rows
    for batch in file.iter_batches(batch_size=_rows_at_once(file.metadata)):
        for part in _parts(batch):
            rows = _Rows()
            _add_batch(rows, part, before, readers, limits)
            before += len(part)
            yield rows.block(size * before // max(total, 1))
    if before != total:
        message = f"the file cannot be read as Parquet: it holds {before:,} rows, not {total:,}"
        raise SourceProblemError(Problem("not_parquet", message))


def _repetitive_columns(metadata: Any) -> list[str]:
    """Return the columns to be read as dictionaries: a long text that comes often is held once."""
    if _widest_row(metadata) > _WIDE_BYTES:
        return []
    schema = metadata.schema.to_arrow_schema()
    return [entry.name for entry in schema if pa.types.is_string(entry.type)]


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch where the texts in its dictionaries would be too much to be written out."""
    sizes = np.zeros(len(batch), dtype=np.int64)
    for array in batch.columns:
        if pa.types.is_dictionary(array.type):
            lengths = pc.binary_length(array.dictionary).take(array.indices)
            sizes += lengths.fill_null(0).to_numpy(zero_copy_only=False)
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // _BLOCK_CHARACTERS)) + 1
    bounds = [0, *cuts.tolist(), len(batch)]
    for start, end in pairwise(bounds):
        yield batch.slice(start, end - start)


def _rows_at_once(metadata: Any) -> int:
    """Return how many rows make a block."""
    return max(1, min(_BLOCK_ROWS, _BLOCK_CHARACTERS // max(_widest_row(metadata), 1)))


def _widest_row(metadata: Any) -> int:
    """Return the size of a row in the row group that has the largest, as a mean."""
    # What is said of single columns must not be asked: where it is damaged, Arrow aborts.
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    return max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)


def _column_readers(schema: pa.Schema) -> dict[str, Plain]:
    readers: dict[str, Plain] = {}
    problems: list[Problem] = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        try:
            readers[name] = plain_of(kind, depth=2)
        except ValueProblemError as error:
            message = f"column {visible(name)} {error}"
            problems.append(Problem(error.code, message, field=name))
    if problems:
        raise SourceProblemError(*problems)
    return readers


def _add_batch(
    rows: _Rows, batch: pa.RecordBatch, before: int, readers: dict[str, Plain], limits: Limits
) -> None:
    bad: dict[int, list[Problem]] = {}
    columns = [
        _column(array, name, read, bad)
        for array, (name, read) in zip(batch.columns, readers.items(), strict=True)
    ]
    for index in range(len(batch)):
        row = before + index + 1
        if index in bad:
            rows.reject(*[problem._replace(row=row) for problem in bad[index]])
            continue
        members = zip(readers, [column[index] for column in columns], strict=True)
        data = orjson.dumps(dict(members))
        if len(data) > limits.max_row_bytes:
            rows.reject(_too_large(row, limits))
        else:
            rows.add(row, data.decode())


def _column(array: pa.Array, name: str, read: Plain, bad: dict[int, list[Problem]]) -> list[Any]:
    """Return the values of a column; null where one cannot be read, which goes into ``bad``."""
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


def _too_large(row: int, limits: Limits) -> Problem:
    message = (
        f"is larger than {limits.max_row_bytes:,} bytes; "
        "raise SEEDING_MAX_ROW_BYTES if that is meant"
    )
    return Problem("row_too_large", message, row)
