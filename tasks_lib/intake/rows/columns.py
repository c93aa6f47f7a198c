"""Check whole columns against their fields, and shape the good rows as JSON objects.

The rules for values are in ``tasks_lib.domain.values``. A cheap test of the whole column finds the
values that are certainly valid; the others are read by the rule one by one, each distinct text
once. Values that pass the cheap test must pass the rule; a test verifies that.
"""

from collections.abc import Callable, Sequence
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.values.certain import CERTAIN_PATTERNS
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.domain.values.readers import Reader, ReaderOf, reader_of
from tasks_lib.errors import Problem
from tasks_lib.intake.rows.arrays import (
    mask_array,
    number_scalar,
    read_numbers,
    text_array,
    text_scalar,
)

_TEXT_TYPES: Final = frozenset({FieldType.TEXT, FieldType.LONG_TEXT})
_AS_STRING: Final = frozenset(
    {FieldType.TEXT, FieldType.LONG_TEXT, FieldType.URL, FieldType.DATE, FieldType.DATETIME}
)
"""Types whose values are stored as a JSON string with the cell's text."""


class FieldProblem(NamedTuple):
    """An invalid value: its position in the block, and the problem without its row."""

    position: int
    problem: Problem


class CheckedColumn(NamedTuple):
    """A column as JSON fragments, or with ``are_texts`` as texts to quote; and its problems."""

    fragments: pa.Array
    are_texts: bool
    problems: list[FieldProblem]


ColumnCheck = Callable[[pa.Array], CheckedColumn]


class ShapedRows(NamedTuple):
    """The JSON object of each row (a string array; meaningless for a row with a problem)."""

    values: pa.Array
    problems: list[FieldProblem]


Shape = Callable[[Sequence[pa.Array]], ShapedRows]


def shape_of(fields: Sequence[Field], reader_of: ReaderOf = reader_of) -> Shape:
    """Return the function that turns columns, in the order of ``fields``, into JSON objects."""
    checks = [check_of(field, reader_of(field)) for field in fields]
    keys = [encode_basestring(field.name) + ":" for field in fields]

    def shape(columns: Sequence[pa.Array]) -> ShapedRows:
        problems: list[FieldProblem] = []
        parts: list[pa.Array | pa.Scalar] = []
        before = "{"
        for key, check, column in zip(keys, checks, columns, strict=True):
            fragments, are_texts, column_problems = check(column)
            problems.extend(column_problems)
            quote = '"' if are_texts else ""
            parts.append(text_scalar(before + key + quote))
            parts.append(_escape(fragments) if are_texts else fragments)
            before = quote + ","
        parts.append(text_scalar(before.removesuffix(",") + "}"))
        return ShapedRows(pc.binary_join_element_wise(*parts, text_scalar("")), problems)

    return shape


def check_of(field: Field, read: Reader) -> ColumnCheck:
    """Return the check of a column of the field's cells; ``read`` is the rule for one cell."""
    is_certain = _certainty(field)

    def read_or_explain(text: str) -> tuple[str | None, Problem | None]:
        try:
            return read(text), None
        except ValueProblemError as problem:
            return None, Problem(problem.code, str(problem), field=field.name)

    def check(column: pa.Array) -> CheckedColumn:
        certain = is_certain(column) if is_certain else None
        if certain is not None and pc.all(certain).as_py() is not False:
            return CheckedColumn(column, are_texts=field.type in _AS_STRING, problems=[])
        doubtful = column if certain is None else column.filter(pc.invert(certain))
        distinct = pc.dictionary_encode(doubtful)
        read_texts = [read_or_explain(text) for text in distinct.dictionary.to_pylist()]
        fragments = text_array([fragment for fragment, _ in read_texts])
        fragments = fragments.take(distinct.indices)
        positions = np.arange(len(column))
        if certain is not None:
            doubt = pc.invert(certain)
            positions = read_numbers(pc.indices_nonzero(doubt))
            sure = _quoted(column) if field.type in _AS_STRING else column
            fragments = pc.replace_with_mask(sure, doubt, fragments)
        problems = _locate([problem for _, problem in read_texts], distinct.indices, positions)
        if problems:
            fragments = pc.fill_null(fragments, text_scalar("null"))
        return CheckedColumn(fragments, are_texts=False, problems=problems)

    return check


def _locate(
    by_text: list[Problem | None], indices: pa.Array, positions: "np.ndarray[Any, Any]"
) -> list[FieldProblem]:
    """Return the problems of distinct texts at every position of such a text."""
    if not any(by_text):
        return []
    is_bad = np.array([problem is not None for problem in by_text])
    texts = read_numbers(indices)
    return [
        FieldProblem(int(positions[index]), problem)
        for index in np.flatnonzero(is_bad[texts])
        if (problem := by_text[texts[index]]) is not None
    ]


def _certainty(field: Field) -> Callable[[pa.Array], pa.Array] | None:
    """Return the test for certainly valid values; None if only the rule can tell."""
    if field.pattern is not None or (field.type is FieldType.URL and field.constraints):
        return None
    if field.type in _TEXT_TYPES:
        return _length_certainty(field.min_length or 1, field.max_length)
    if field.type not in CERTAIN_PATTERNS:
        return None
    matches = _pattern_certainty(CERTAIN_PATTERNS[field.type])
    if field.min is None and field.max is None:
        return matches
    if field.type not in (FieldType.INTEGER, FieldType.NUMBER):
        return None
    return _between_certainty(matches, field)


def _length_certainty(least: int, most: int | None) -> Callable[[pa.Array], pa.Array]:
    def is_certain(column: pa.Array) -> pa.Array:
        if least <= 1 and most is None:
            return pc.greater(pc.binary_length(column), number_scalar(0))
        length = pc.utf8_length(column)
        enough = pc.greater_equal(length, number_scalar(max(least, 1)))
        return (
            enough if most is None else pc.and_(enough, pc.less_equal(length, number_scalar(most)))
        )

    return is_certain


def _pattern_certainty(pattern: str) -> Callable[[pa.Array], pa.Array]:
    def is_certain(column: pa.Array) -> pa.Array:
        return pc.match_substring_regex(column, f"^(?:{pattern})$")

    return is_certain


def _between_certainty(
    matches: Callable[[pa.Array], pa.Array], field: Field
) -> Callable[[pa.Array], pa.Array]:
    """Narrow ``matches`` to values strictly between the bounds, so that rounding does no harm."""
    lowest = float(field.min) if field.min is not None else None
    highest = float(field.max) if field.max is not None else None

    def is_certain(column: pa.Array) -> pa.Array:
        certain = matches(column)
        numbers = pc.cast(pc.if_else(certain, column, text_scalar("0")), pa.float64())
        if lowest is not None:
            certain = pc.and_(certain, pc.greater(numbers, number_scalar(lowest)))
        if highest is not None:
            certain = pc.and_(certain, pc.less(numbers, number_scalar(highest)))
        return certain

    return is_certain


def _quoted(column: pa.Array) -> pa.Array:
    quote = text_scalar('"')
    return pc.binary_join_element_wise(quote, _escape(column), quote, text_scalar(""))


def _escape(column: pa.Array) -> pa.Array:
    """Escape the characters that JSON does not allow in a string; add no quotes."""
    offset, length = column.offset, len(column)
    bounds = np.frombuffer(column.buffers()[1], dtype=np.int32)[offset : offset + length + 1]
    data = column.buffers()[2]
    if length == 0 or data is None:
        return column
    text = np.frombuffer(data, dtype=np.uint8)[bounds[0] : bounds[-1]]
    places = np.flatnonzero((text < ord(" ")) | (text == ord('"')) | (text == ord("\\")))
    if not len(places):
        return column
    has_one = np.zeros(length, np.bool_)
    has_one[np.searchsorted(bounds, places + bounds[0], side="right") - 1] = True
    needs_escape = mask_array(has_one)
    escaped = [encode_basestring(value)[1:-1] for value in column.filter(needs_escape).to_pylist()]
    return pc.replace_with_mask(column, needs_escape, text_array(escaped))
