"""Convert the columns of a frame to cells: whole Arrow columns at once where that is the same.

``python_values`` holds the rules. A test verifies that both ways give the same cells.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem
from tasks_lib.intake.frames.python_values import cell_of_value, takes, why_no_float
from tasks_lib.intake.rows.columns import FieldProblem

FrameColumn: TypeAlias = pa.Array | list[Any]
"""Some rows of a column: an Arrow array or, where Arrow has no type for them, Python values."""

_WITHOUT_QUOTES: Final = frozenset(FieldType) - {FieldType.JSON, FieldType.MULTI_SELECT}
_UNREADABLE: Final = (pa.ArrowException, ArithmeticError, ValueError)
_TEXTS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


class Cells(NamedTuple):
    """The cells of a column (a string array without nulls), and the problems of its values."""

    texts: pa.Array
    problems: list[FieldProblem]


def read_cells(column: FrameColumn, field: Field, limits: Limits) -> Cells:
    """Convert a column to the cells of a field; the cell of a value with a problem is empty."""
    if isinstance(column, list):
        column = _as_array(column)
    cells = _read_values(column, field) if isinstance(column, list) else _read_array(column, field)
    return _with_size_problems(cells, field, limits)


def _as_array(values: list[Any]) -> FrameColumn:
    """Return values of one plain type as an Arrow array, and others as they are."""
    kinds = set(map(type, values)) - {type(None)}
    if len(kinds) == 1 and (kind := _PLAIN_KINDS.get(kinds.pop())) is not None:
        try:
            return pa.array(values, kind)
        except (pa.ArrowException, OverflowError, UnicodeEncodeError):
            return values  # such as an integer beyond 64 bits
    return values


_PLAIN_KINDS: Final[dict[type, pa.DataType]] = {
    str: pa.string(),
    int: pa.int64(),
    bool: pa.bool_(),
    float: pa.float64(),
}


def _read_values(values: Sequence[Any], field: Field) -> Cells:
    texts: list[str] = []
    problems: list[FieldProblem] = []
    for position, value in enumerate(values):
        try:
            texts.append(cell_of_value(value, field))
        except ValueProblemError as problem:
            texts.append("")
            problems.append(_problem(position, problem, field))
    return Cells(pa.array(texts, pa.string()), problems)


def _read_array(array: pa.Array, field: Field) -> Cells:
    if pa.types.is_dictionary(array.type):
        array = _decode(array)
    if pa.types.is_null(array.type):
        return _filled(array.cast(pa.string()))
    if any(is_text(array.type) for is_text in _TEXTS):
        return _read_texts(array.cast(pa.string()), field)
    if field.type in _WITHOUT_QUOTES:
        for is_kind, kind, write in _WRITERS:
            if is_kind(array.type) and takes(field, kind):
                written = write(array)
                return _filled(written) if written is not None else _read_objects(array, field)
        if array.type in (pa.float32(), pa.float64()):
            return _read_floats(array, field)
    return _read_objects(array, field)


def _decode(array: pa.DictionaryArray) -> pa.Array:
    """Return the values of categories; Arrow cannot take from a view of texts, as of polars."""
    values = array.dictionary
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    return values.take(array.indices)


def _read_texts(array: pa.Array, field: Field) -> Cells:
    """Take texts as they are; Arrow holds no invalid Unicode, but NUL characters."""
    if np.frombuffer(bytes_of(array), np.uint8).min(initial=1) == 0:
        return _read_values(array.to_pylist(), field)
    return _filled(array)


def bytes_of(texts: pa.Array) -> memoryview:
    """Return the texts of a string array, one behind the other."""
    _, bounds, data = texts.buffers()
    if data is None or not len(texts):
        return memoryview(b"")
    ends = np.frombuffer(bounds, dtype=np.int32)
    return memoryview(data)[ends[texts.offset] : ends[texts.offset + len(texts)]]


def _read_floats(array: pa.Array, field: Field) -> Cells:
    array = pc.if_else(pc.is_nan(array), None, array)
    largest = pc.max(pc.abs(array)).as_py()
    if largest is not None and why_no_float(largest, "", field) is not None:
        return _read_values(_objects(array), field)
    return _filled(array.cast(pa.string()))


def _read_objects(array: pa.Array, field: Field) -> Cells:
    """Convert the values one by one; those that Python cannot hold are problems."""
    try:
        return _read_values(_objects(array), field)
    except _UNREADABLE:
        pass
    values: list[Any] = []
    problems: list[FieldProblem] = []
    for position in range(len(array)):
        try:
            values += _objects(array.slice(position, 1))
        except _UNREADABLE as error:
            values.append(None)
            reason = str(error).partition("\n")[0]
            problem = ValueProblemError("unsupported_value", f"cannot be read: {reason}")
            problems.append(_problem(position, problem, field))
    cells = _read_values(values, field)
    return Cells(cells.texts, sorted([*cells.problems, *problems]))


def _objects(array: pa.Array) -> list[Any]:
    if pa.types.is_float16(array.type) or array.type == pa.float32():
        return [None if v is None else np.float32(v) for v in array.to_pylist()]
    if isinstance(array, pa.ExtensionArray) and not isinstance(array.type, pa.UuidType):
        return _objects(array.storage)
    return list(array.to_pylist(maps_as_pydicts="strict"))


def _write_plain(array: pa.Array) -> pa.Array:
    return array.cast(pa.string())


def _write_moments(array: pa.Array) -> pa.Array | None:
    """Write moments as ``isoformat`` does; None if they have nanoseconds or a local time."""
    zone = array.type.tz
    if zone not in (None, "UTC"):
        return None
    try:
        moments = array.cast(pa.timestamp("us", zone)).cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    distinct = moments.dictionary_encode()
    if len(distinct.dictionary) < len(moments) // 2:  # as of days: then each is written once
        return _spell_moments(distinct.dictionary, zone).take(distinct.indices)
    return _spell_moments(moments, zone)


def _spell_moments(moments: pa.Array, zone: str | None) -> pa.Array:
    """Write moments with a fraction where it is not zero, and with the offset of UTC, if any."""
    try:
        texts = moments.cast(pa.timestamp("s")).cast(pa.string())
    except pa.ArrowInvalid:  # some have a fraction
        texts = pc.replace_substring_regex(moments.cast(pa.string()), r"\.000000$", "")
    texts = pc.replace_substring(texts, " ", "T", max_replacements=1)
    return texts if zone is None else pc.binary_join_element_wise(texts, "+00:00", "")


_Writer = Callable[[pa.Array], pa.Array | None]
_WRITERS: Final[tuple[tuple[Callable[[pa.DataType], bool], FieldType, _Writer], ...]] = (
    (pa.types.is_integer, FieldType.INTEGER, _write_plain),
    (pa.types.is_boolean, FieldType.BOOLEAN, _write_plain),
    (pa.types.is_date, FieldType.DATE, _write_plain),
    (pa.types.is_timestamp, FieldType.DATETIME, _write_moments),
)


def _filled(texts: pa.Array) -> Cells:
    return Cells(pc.fill_null(texts, "") if texts.null_count else texts, [])


def _with_size_problems(cells: Cells, field: Field, limits: Limits) -> Cells:
    sizes = pc.binary_length(cells.texts).to_numpy()
    too_large = np.flatnonzero(sizes > limits.max_cell_bytes)
    if not len(too_large):
        return cells
    problems = [
        _problem(
            int(position),
            ValueProblemError(
                "cell_too_large",
                f"has {sizes[position]:,} bytes, {limits.max_cell_bytes:,} are allowed",
            ),
            field,
        )
        for position in too_large
    ]
    mask = pa.array(sizes > limits.max_cell_bytes)
    return Cells(pc.if_else(mask, "", cells.texts), [*cells.problems, *problems])


def _problem(position: int, problem: ValueProblemError, field: Field) -> FieldProblem:
    return FieldProblem(position, Problem(problem.code, str(problem), field=field.name))
