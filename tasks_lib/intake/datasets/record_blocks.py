"""Read a dataset's rows from CSV and JSON, block by block: each row a JSON object.

A CSV's cells are text, and null if empty. JSON values keep their exact text.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, Final, NamedTuple

import pyarrow.compute as pc

from tasks_lib.domain.datasets import check_columns, pick_columns, why_no_name
from tasks_lib.domain.fields import RESERVED_NAMES, Field, FieldSource, FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import is_nameless, visible
from tasks_lib.domain.rows.dialects import Dialect
from tasks_lib.domain.rows.json_rows import Digits
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.csv_reader import CsvReader
from tasks_lib.intake.csv_files.encodings import Utf8Stream
from tasks_lib.intake.datasets.block_builder import BlockBuilder
from tasks_lib.intake.datasets.json_objects import read_object
from tasks_lib.intake.datasets.json_records import JsonRecord, json_array, json_lines
from tasks_lib.intake.rows.blocks import CellBlock, CheckedBlock
from tasks_lib.intake.rows.checked_rows import CellReader, checked_blocks
from tasks_lib.intake.rows.limit_problems import too_many_columns

_FIELD_TYPES: Final[dict[type, FieldType]] = {
    str: FieldType.TEXT,
    int: FieldType.INTEGER,
    float: FieldType.NUMBER,
    bool: FieldType.BOOLEAN,
    list: FieldType.JSON,
    dict: FieldType.JSON,
}

ColumnTypes = dict[str, set[FieldType]]
"""The types of each column's values so far; columns are in order of appearance."""


def csv_blocks(
    file: BinaryIO,
    limits: Limits,
    types: ColumnTypes,
    dialect: Dialect,
    *,
    columns: Sequence[str] = (),
    warnings: list[str] | None = None,
) -> Iterator[CheckedBlock]:
    """Yield the rows of a CSV, all of whose columns are text.

    ``columns`` are those to read. Columns without a name, and those of the same name, get
    one, with an entry in ``warnings``; empty columns without a name are left out, and so are the
    two that a rejects file adds.
    """
    stream = Utf8Stream(file, dialect.encoding)
    reader = CsvReader(stream, limits, dialect, names_columns=True)
    names = pick_columns(reader.columns, columns)
    if set(reader.columns) >= RESERVED_NAMES:  # a rejects file
        names = [name for name in names if name not in RESERVED_NAMES]
    check_table(names, limits)
    unused = [c.name for c in reader.named if c.is_nameless and c.name not in columns]
    types.update({name: {FieldType.TEXT} for name in names if name not in unused})
    notes = {column.name: column.warning for column in reader.named if column.warning}
    collected = [] if warnings is None else warnings
    collected.extend(note for name, note in notes.items() if name in types)
    for part in _used_parts(reader, names, unused):
        for name in part.names:
            if name not in types:
                types[name] = {FieldType.TEXT}
                collected.append(notes[name])
        for block in checked_blocks(part.reader, [_text_field(name) for name in part.names]):
            yield replace(block, done=file.tell(), cell_names=reader.columns)


class _Part(NamedTuple):
    """Rows of a CSV, and which of its columns they use."""

    reader: CellReader
    names: list[str]


class _OneBlock(NamedTuple):
    """A reader whose only block has been read."""

    columns: Sequence[str]
    block: CellBlock

    def blocks(self) -> Iterator[CellBlock]:
        yield self.block


def _used_parts(reader: CsvReader, names: list[str], unused: list[str]) -> Iterator[_Part]:
    """Yield the rows, block by block if it depends on them which columns are in use."""
    if not unused:
        yield _Part(reader, names)
        return
    for block in reader.blocks():
        columns = dict(zip(reader.columns, block.columns, strict=True))
        empty = {
            name for name in unused if not (pc.max(pc.binary_length(columns[name])).as_py() or 0)
        }
        yield _Part(_OneBlock(reader.columns, block), [n for n in names if n not in empty])


def json_array_blocks(
    file: BinaryIO,
    limits: Limits,
    types: ColumnTypes,
    *,
    encoding: str,
    records: Sequence[str] = (),
) -> Iterator[CheckedBlock]:
    """Yield the objects of a JSON array; see ``json_array``."""
    stream = Utf8Stream(file, encoding)
    rows = json_array(stream, limits, records)
    return _json_blocks(rows, stream.name, limits, types, file.tell)


def json_lines_blocks(
    file: BinaryIO, limits: Limits, types: ColumnTypes, *, encoding: str
) -> Iterator[CheckedBlock]:
    """Yield the objects of JSON Lines."""
    stream = Utf8Stream(file, encoding)
    return _json_blocks(json_lines(stream, limits), stream.name, limits, types, file.tell)


def _text_field(name: str) -> Field:
    # A dataset's column may have a name that no field of a pipeline can have.
    return Field.model_construct(
        name=name, type=FieldType.TEXT, source=FieldSource.DATASET, required=False
    )


def check_table(names: Sequence[str], limits: Limits, *, advice: str = "") -> None:
    """Raise SourceProblemError unless a table can have these columns; add advice about a name."""
    if len(names) > limits.max_columns:
        clause = f"the header has {len(names):,} columns"
        raise SourceProblemError(too_many_columns(clause, limits))
    problems = check_columns(names)
    if problems:
        more = f"; {advice}" if advice else ""
        raise SourceProblemError(
            *(problem._replace(message=problem.message + more) for problem in problems)
        )


def _json_blocks(
    records: Iterator[JsonRecord],
    encoding: str,
    limits: Limits,
    types: ColumnTypes,
    tell: Callable[[], int],
) -> Iterator[CheckedBlock]:
    block = BlockBuilder()
    try:
        for row, data in records:
            try:
                value, members = read_object(_decode(data, encoding))
                _note_types(members, limits, types)
            except ValueProblemError as problem:
                block.reject(row, Problem(problem.code, str(problem), row))
            else:
                block.add(row, value)
            if block.is_full:
                yield block.finish(tell())
                block = BlockBuilder()
    except SourceProblemError:
        yield block.finish(tell())  # the problems of earlier rows may be the reason
        raise
    yield block.finish(tell())


def _decode(data: bytes, encoding: str) -> str:
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


def _note_types(members: dict[str, Any], limits: Limits, types: ColumnTypes) -> None:
    """Add the row's columns and the types of its values to ``types``."""
    if not members.keys() <= types.keys():
        new = [name for name in members if name not in types]
        for name in new:
            _check_name(name)
        if len(types) + len(new) > limits.max_columns:
            clause = f"the rows have {len(types) + len(new):,} different columns"
            raise SourceProblemError(too_many_columns(clause, limits))
        types.update({name: set() for name in new})
    for name, value in members.items():
        if value is not None:
            types[name].add(_FIELD_TYPES.get(type(value)) or _kind_of_digits(value))


def _kind_of_digits(number: Digits) -> FieldType:
    return FieldType.INTEGER if number.lstrip("-").isdigit() else FieldType.NUMBER


def _check_name(name: str) -> None:
    if is_nameless(name):
        shown = f": one is called {visible(name)}" if name else ""
        raise ValueProblemError("not_an_object", f"has a member without a name{shown}")
    reason = why_no_name(name)
    if reason:
        raise ValueProblemError("invalid_column_name", f"the member {visible(name)} {reason}")
