"""A source's values as a field's: which types can fit, and how a JSON value is spelled as a cell.

What a cell's text means is said in ``tasks_lib.domain.values`` alone. So a value is converted by
spelling it: a string as it is, a number digit by digit, ``true`` or ``false``, and null as the
empty cell, which a string without a character is as well. Nothing is rounded, trimmed or cut.

Which types can ever fit (``FITS``):

- ``text``, ``long_text`` and ``single_select`` hold strings, and a string may spell any value but a
  file. Whether it does is seen row by row.
- Every scalar has one spelling, so it fits text, JSON and selects, whose options may be numbers,
  dates, ``true`` or ``false``.
- ``integer`` and ``number`` fit each other where the digits allow it; 0 and 1 are spellings of a
  boolean. ``boolean`` is no number: ``true`` has no digits.
- ``date`` and ``datetime`` do not fit each other: one lacks a time, the other would lose it.
- ``url`` asks for the scheme that no other type but a string can have.
- ``multi_select`` is a list, which only another one and JSON can be.
- ``json`` as a whole fits JSON, and a multi-select where it is an array of strings. What a JSONPath
  picks from it is a value of its own kind, so it may fit anything but a file.
- ``file`` fits a file and nothing else, and nothing else fits a file: its object refers to what
  this product has stored, and must not be written by hand.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.files import FileValue, allows
from tasks_lib.domain.json_paths import compile_path
from tasks_lib.domain.json_rows import Digits, json_text, kind_of, parse_value
from tasks_lib.domain.names import is_storable, visible
from tasks_lib.domain.values import Reader, ValueProblemError, reader_of, with_empty

CellOf = Callable[[Mapping[str, Any]], str]
"""Takes a row as ``parse_row`` reads it and returns a field's cell; raises ValueProblemError."""

_Spell = Callable[[Any], str | None]
"""Takes a JSON value and returns the text of its cell; None where it can never fit."""

_STRINGS: Final = frozenset({FieldType.TEXT, FieldType.LONG_TEXT})
_SPELLINGS: Final = _STRINGS | {
    FieldType.SINGLE_SELECT,
    FieldType.MULTI_SELECT,
    FieldType.JSON,
}
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
"""Column type to the field types that some of its values can fit, without a JSONPath."""


class Column(NamedTuple):
    """A column of the source: a dataset's, or a field of a source pipeline."""

    name: str
    type: FieldType


def fits(column: FieldType, field: FieldType, *, has_path: bool = False) -> bool:
    """Tell whether any value of the column, or what a JSONPath picks from it, can fit the field."""
    return field in (_ALL_BUT_FILES if has_path else FITS[column])


def as_seeded(field: Field) -> Field:
    """Return the field as a seeding must fill it: an input may be left to the contributor."""
    if field.source is FieldSource.DATASET or not field.required:
        return field
    return field.model_copy(update={"required": False})


def seeded_reader_of(field: Field) -> Reader:
    """Return the function that reads the cells of ``cell_of``, those of file fields included."""
    if field.type is FieldType.FILE:
        return with_empty(field, _file_reader(field))
    return reader_of(field)


def cell_of(column: Column, path: str | None, field: Field) -> CellOf:
    """Return the function that spells a row's value for the field; a column not there is null.

    An int counts as a number: what a caller adds to a row has no digits to keep. The three must
    fit by ``fits``. Raises PathSyntaxError when ``path`` is no JSONPath.
    """
    if path is not None:
        return _path_cell(column.name, path, field)
    spell = _spelling(column.type, field.type)
    spelled = _spelled_cell(column, field, spell)
    return _straight_cell(column.name, spelled) if spell is _scalar else spelled


def spelled(value: Any, field: Field) -> str:
    """Spell a value that ``parse_value`` has read as a cell of the field, by the value's own kind.

    Raises ValueProblemError where a field of this type never takes such a value.
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
            found = f"column {visible(column.name)} holds {kind_of(value)}"
            raise ValueProblemError("wrong_type", f"{found}, {_not_taken(field)}{hint}")
        return text

    return cell


def _path_cell(name: str, path: str, field: Field) -> CellOf:
    find, spell = compile_path(path), _path_spelling(field.type)
    in_column = f"in column {visible(name)}"

    def cell(row: Mapping[str, Any]) -> str:
        found = find(row.get(name))
        if not found and not field.required:
            return ""
        if not found:
            raise ValueProblemError("path_no_match", f"{path} finds nothing {in_column}")
        if len(found) > 1:
            message = f"{path} finds {len(found):,} values {in_column}, but one is needed"
            raise ValueProblemError("path_several_matches", message)
        text = spell(found[0])
        if text is None:
            message = f"{path} finds {kind_of(found[0])} {in_column}, {_not_taken(field)}"
            raise ValueProblemError("path_wrong_type", message)
        return text

    return cell


def _not_taken(field: Field) -> str:
    return f"which a field of type {field.type} does not take"


def _spelling(column: FieldType, field: FieldType) -> _Spell:
    """Return how the column's values are spelled; a string column holds spellings already."""
    if field is FieldType.FILE:
        return _file
    if column in _STRINGS or field not in {FieldType.JSON, FieldType.MULTI_SELECT}:
        return _scalar
    if field is FieldType.JSON:
        return _document
    return _options if column in {FieldType.JSON, FieldType.MULTI_SELECT} else _one_option


def _path_spelling(field: FieldType) -> _Spell:
    """Return how what a JSONPath picks is spelled: by its own kind, since it has no other type."""
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
    """Spell an array of strings; an empty one chooses nothing, which an empty cell says."""
    if not isinstance(value, list):
        return _scalar(value)
    if not all(type(option) is str for option in value):
        return None
    return json_text(value) if value else ""


def _one_option(value: Any) -> str | None:
    """Spell a scalar as one option even where it holds the separator of options."""
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
        name, size, found = visible(value["name"]), int(value["size"]), value["content_type"]
        if field.max_bytes is not None and size > field.max_bytes:
            message = f"{name} has {size:,} bytes, {field.max_bytes:,} are allowed"
            raise ValueProblemError("file_too_large", message)
        if not allows(field.content_types, found):
            allowed = ", ".join(field.content_types or ())
            message = f"{name} is {found}; allowed are {allowed}"
            raise ValueProblemError("content_type_not_allowed", message)
        return text

    return read
