"""Convert values of a source for a field: which types fit, and the text of a cell for a value.

A value is converted by writing it as the text of a cell, which ``tasks_lib.domain.values`` then
reads. A string is taken as it is, a number keeps its digits, a boolean is ``true`` or ``false``,
and null is an empty cell, as is an empty string. Nothing is rounded, trimmed or cut.

These types can fit (``FITS``):

- ``text``, ``long_text`` and ``single_select`` hold strings, and a string can contain any value
  except a file. Each row is checked.
- Every scalar can be written as text, so it fits text, JSON and selects, whose options may be
  numbers, dates, ``true`` or ``false``.
- ``integer`` and ``number`` fit each other if the digits allow it. 0 and 1 are also booleans, but
  a ``boolean`` does not fit a number.
- ``date`` and ``datetime`` do not fit each other: one lacks a time, the other would lose it.
- ``url`` needs a scheme, which only a string can have.
- ``multi_select`` is a list; only another ``multi_select`` or JSON fits it.
- ``json`` as a whole fits JSON, and a multi-select if it is an array of strings. A value that a
  JSONPath selects has a type of its own, so it can fit anything except a file.
- ``file`` fits only a file, and only a file fits it: the object refers to a stored file, so it
  must not be written by hand.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.files import FileValue, allows
from tasks_lib.domain.mapping.path_budget import MAX_MATCHES, NO_CLOCK, Timing
from tasks_lib.domain.names import is_storable, shortened, visible
from tasks_lib.domain.rows.json_rows import Digits, json_text, kind_of, parse_value
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.domain.values.readers import Reader, reader_of, with_empty

CellOf = Callable[[Mapping[str, Any]], str]
"""Takes a row from ``parse_row`` and returns the cell of a field; raises ValueProblemError."""

_Spell = Callable[[Any], str | None]
"""Takes a JSON value and returns the text of its cell, None if it can never fit."""

_STRINGS: Final = frozenset({FieldType.TEXT, FieldType.LONG_TEXT})
_SPELLINGS: Final = _STRINGS | {
    FieldType.SINGLE_SELECT,
    FieldType.MULTI_SELECT,
    FieldType.JSON,
}
TEXTS_WITH_PATHS: Final = _STRINGS
"""The types of columns whose texts a JSONPath reads as JSON documents."""

_ALL_BUT_FILES: Final = frozenset(FieldType) - {FieldType.FILE}

FITS: Final[dict[FieldType, frozenset[FieldType]]] = {
    FieldType.TEXT: _ALL_BUT_FILES,
    FieldType.LONG_TEXT: _ALL_BUT_FILES,
    FieldType.SINGLE_SELECT: _ALL_BUT_FILES,
    FieldType.INTEGER: _SPELLINGS | {FieldType.INTEGER, FieldType.NUMBER, FieldType.BOOLEAN},
    FieldType.NUMBER: _SPELLINGS | {FieldType.INTEGER, FieldType.NUMBER},
    FieldType.BOOLEAN: _SPELLINGS | {FieldType.BOOLEAN},
    FieldType.DATE: _SPELLINGS | {FieldType.DATE},
    FieldType.DATETIME: _SPELLINGS | {FieldType.DATETIME},
    FieldType.URL: _SPELLINGS | {FieldType.URL},
    FieldType.MULTI_SELECT: frozenset({FieldType.MULTI_SELECT, FieldType.JSON}),
    FieldType.JSON: frozenset({FieldType.MULTI_SELECT, FieldType.JSON}),
    FieldType.FILE: frozenset({FieldType.FILE}),
}
"""For each column type, the field types that its values can fit without a JSONPath."""


_read_document: Final = reader_of(
    Field(name="document", type=FieldType.JSON, source=FieldSource.DATASET, required=False)
)


class Column(NamedTuple):
    """A column of the source: a dataset's, or a field of a source pipeline."""

    name: str
    type: FieldType


def columns_to_json(columns: Iterable[Column]) -> list[dict[str, str]]:
    """Return the JSON form of columns: ``[{"name": ..., "type": ...}]``."""
    return [{"name": name, "type": kind.value} for name, kind in columns]


def columns_from_json(entries: Iterable[Mapping[str, str]]) -> tuple[Column, ...]:
    """Return the columns of which ``columns_to_json`` made the entries."""
    return tuple(Column(entry["name"], FieldType(entry["type"])) for entry in entries)


def fits(column: FieldType, field: FieldType, *, has_path: bool = False) -> bool:
    """Return whether values of the column, or values that a JSONPath selects, can fit the field."""
    return field in (_ALL_BUT_FILES if has_path else FITS[column])


def as_seeded(field: Field) -> Field:
    """Return the field as seedings fill it: an input field is optional then."""
    if field.source is FieldSource.DATASET or not field.required:
        return field
    return field.model_copy(update={"required": False})


def seeded_reader_of(field: Field) -> Reader:
    """Return the function that reads cells of ``cell_of``, including those of file fields."""
    if field.type is FieldType.FILE:
        return with_empty(field, _file_reader(field))
    return reader_of(field)


def cell_of(column: Column, path: str | None, field: Field, timing: Timing = NO_CLOCK) -> CellOf:
    """Return the function that converts a row to the cell of the field.

    A missing column is null. The arguments must pass ``fits``. Rows may also hold Python ints that
    a caller added. Raises PathSyntaxError if ``path`` is not a JSONPath. ``timing`` bounds the
    time that it may take.
    """
    if path is not None:
        return _path_cell(column, path, field, timing)
    spell = _spelling(column.type, field.type)
    spelled = _spelled_cell(column, field, spell)
    return _straight_cell(column.name, spelled) if spell is _scalar else spelled


def spell_value(value: Any, field: Field) -> str:
    """Convert a value from ``parse_value`` to the cell of a field.

    Raises ValueProblemError if a field of this type never accepts such a value.
    """
    text = None if field.type is FieldType.FILE else _path_spelling(field.type)(value)
    if text is None:
        raise ValueProblemError("wrong_type", f"{kind_of(value)} was given, {_not_taken(field)}")
    if not is_storable(text):
        raise ValueProblemError(
            "unsupported_value", "holds a NUL character or half of a surrogate pair"
        )
    return text


def _straight_cell(name: str, spelled: CellOf) -> CellOf:
    def cell(row: Mapping[str, Any]) -> str:
        value = row.get(name)
        return value if type(value) is str or type(value) is Digits else spelled(row)

    return cell


def _spelled_cell(column: Column, field: Field, spell: _Spell) -> CellOf:
    hint = "; a JSONPath may pick one that it takes" if column.type is FieldType.JSON else ""

    def cell(row: Mapping[str, Any]) -> str:
        value = row.get(column.name)
        text = spell(value)
        if text is None:
            reason = f"column {visible(column.name)} holds {kind_of(value)}"
            raise ValueProblemError("wrong_type", f"{reason}, {_not_taken(field)}{hint}")
        return text

    return cell


def _path_cell(column: Column, path: str, field: Field, timing: Timing) -> CellOf:
    from tasks_lib.domain.mapping.json_paths import compile_path  # noqa: PLC0415 - loads a parser

    find, spell = compile_path(path, timing), _path_spelling(field.type)
    in_column = f"in column {visible(column.name)}"
    holds_text = column.type in TEXTS_WITH_PATHS

    def cell(row: Mapping[str, Any]) -> str:
        value = row.get(column.name)
        if holds_text and value is not None:
            value = _document_in(value, column, path)
        matches = find(value)
        if not matches and not field.required:
            return ""
        if not matches:
            raise ValueProblemError("path_no_match", f"{path} finds nothing {in_column}")
        if len(matches) > 1:
            count = f"more than {MAX_MATCHES:,}" if len(matches) > MAX_MATCHES else len(matches)
            message = f"{path} finds {count} values {in_column}, but one is needed"
            raise ValueProblemError("path_several_matches", message)
        text = spell(matches[0])
        if text is None:
            message = f"{path} finds {kind_of(matches[0])} {in_column}, {_not_taken(field)}"
            raise ValueProblemError("path_wrong_type", message)
        return text

    return cell


def _document_in(text: Any, column: Column, path: str) -> Any:
    """Return the JSON document that a column's text holds; an empty text is null."""
    if type(text) is not str or not text:
        return text or None
    try:
        return parse_value(_read_document(text))
    except ValueProblemError:
        message = f"column {visible(column.name)} holds {shortened(text)}, which is not JSON"
        raise ValueProblemError("invalid_json", f"{message}, as {path} needs") from None


def _not_taken(field: Field) -> str:
    return f"which a field of type {field.type} does not take"


def _spelling(column: FieldType, field: FieldType) -> _Spell:
    """Return how to convert values of the column; strings are used as they are."""
    if field is FieldType.FILE:
        return _file
    if column in _STRINGS or field not in {FieldType.JSON, FieldType.MULTI_SELECT}:
        return _scalar
    if field is FieldType.JSON:
        return _document
    return _options if column in {FieldType.JSON, FieldType.MULTI_SELECT} else _one_option


def _path_spelling(field: FieldType) -> _Spell:
    """Return how to convert values that a JSONPath selects: by the kind of each value."""
    if field is FieldType.JSON:
        return _document
    if field is FieldType.MULTI_SELECT:
        return _options
    return lambda value: _scalar(value) if field in FITS[_type_of(value)] else None


def _type_of(value: Any) -> FieldType:
    match value:
        case bool():
            return FieldType.BOOLEAN
        case Digits():
            return FieldType.NUMBER if set(value) & set(".eE") else FieldType.INTEGER
        case dict() | list():
            return FieldType.JSON
    return FieldType.TEXT


def _scalar(value: Any) -> str | None:
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
    return None


def _document(value: Any) -> str:
    try:
        return "" if value is None else json_text(value)
    except RecursionError:
        raise ValueProblemError("invalid_json", "is nested too deep to be written") from None


def _options(value: Any) -> str | None:
    """Convert an array of strings; an empty array is an empty cell."""
    if not isinstance(value, list):
        return _scalar(value)
    if not all(type(option) is str for option in value):
        return None
    return json_text(value) if value else ""


def _one_option(value: Any) -> str | None:
    """Convert a scalar to one option, even if it contains the separator of options."""
    text = _scalar(value)
    return json_text([str(text)]) if text else text


def _file(value: Any) -> str | None:
    if value is None:
        return ""
    return json_text(value) if _is_file(value) else None


def _is_file(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != set(FileValue._fields):
        return False
    return all(type(value[key]) is (Digits if key == "size" else str) for key in value)


def _file_reader(field: Field) -> Reader:
    def read(text: str) -> str:
        value = parse_value(text)
        name, size, content_type = visible(value["name"]), int(value["size"]), value["content_type"]
        check_file_size(field, name, size)
        check_content_type(field, name, content_type)
        return text

    return read


def check_file_size(field: Field, name: str, size: int) -> None:
    """Raise ValueProblemError for a file that is larger than the field allows."""
    if field.max_bytes is not None and size > field.max_bytes:
        message = f"{name} has {size:,} bytes, {field.max_bytes:,} are allowed"
        raise ValueProblemError("file_too_large", message)


def check_content_type(field: Field, name: str, content_type: str, *, evidence: str = "") -> None:
    """Raise ValueProblemError for a content type that the field does not allow."""
    if not allows(field.content_types, content_type):
        allowed = ", ".join(field.content_types or ())
        message = f"{name} is {content_type}{evidence}; allowed are {allowed}"
        raise ValueProblemError("content_type_not_allowed", message)
