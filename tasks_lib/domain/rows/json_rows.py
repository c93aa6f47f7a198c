"""Rows and values as JSON, read and written without changing the digits of numbers."""

import json
from collections.abc import Callable, Collection
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn

import orjson


class Digits(str):
    """A JSON number as it was written: ``1.50`` and ``12345678901234567890`` stay themselves."""

    __slots__ = ()


def parse_row(text: str) -> dict[str, Any]:
    """Parse a JSON object; numbers become Digits.

    If a key occurs twice, the last one wins; stored rows have been checked for that. Raises
    ValueError if the text is not a JSON object.
    """
    row = parse_value(text)
    if not isinstance(row, dict):
        raise ValueError(f"a row must be a JSON object, not {kind_of(row)}")  # noqa: TRY004 - a text, not a type, is wrong
    return row


def name_own_columns(fields: Collection[str]) -> dict[str, str]:
    """Return how the task's own columns are called beside its fields.

    ``id`` is called ``task_id`` if a field is called ``id``, and so on.
    """
    names = {}
    for column in ("id", "status", "created"):
        name = column
        while name in fields:
            name = f"task_{name}"
        names[column] = name
    return names


def task_row_parser(fields: Collection[str]) -> Callable[[str], dict[str, Any]]:
    """Return the function that parses a task of a pipeline with these fields.

    Its text is an array of id, status, creation, predefined and filled-in values (or null). Fields
    without a value are missing in the row.
    """
    own = name_own_columns(fields).values()

    def parse(text: str) -> dict[str, Any]:
        *values, predefined, filled_in = parse_value(text)
        return {**dict(zip(own, values, strict=True)), **predefined, **(filled_in or {})}

    return parse


def parse_value(text: str) -> Any:
    """Parse one JSON document as ``parse_row`` does; raise ValueError."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deep to be read") from None


def has_unique_keys(text: bytes, document: Any) -> bool:
    """Return True if no object in the text has a key twice, where parsers keep one.

    ``document`` is the text as orjson parses it. Raises orjson.JSONEncodeError if it is nested too
    deep.
    """
    colons = count_colons(text)
    return not colons or colons == orjson.dumps(document).count(b":")


def count_colons(text: bytes) -> int:
    """Count the colons of a valid JSON text: after keys, and in strings, escaped or not."""
    return text.count(b":") + count_escaped_colons(text)


def count_escaped_colons(text: bytes) -> int:
    """Count the colons in the strings of a valid JSON text that are written by their number."""
    if b"\\" not in text or b"\\u003" not in text:
        return 0
    text = text.replace(b"\\\\", b"")  # an escaped backslash does not begin an escape
    return text.count(b"\\u003a") + text.count(b"\\u003A")


def json_text(value: Any) -> str:
    """Return a value as JSON on one line; numbers keep their digits."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is Digits or kind is int:
        return str(value)
    if kind is dict:
        members = [f"{encode_basestring(key)}:{json_text(item)}" for key, item in value.items()]
        return "{" + ",".join(members) + "}"
    if kind is list:
        return "[" + ",".join([json_text(item) for item in value]) + "]"
    return _CONSTANTS[value]


def kind_of(value: Any) -> str:
    """Return the kind of a JSON value in words: ``an object``, ``a number``, ..."""
    return _KINDS[type(value)]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    parse_float=Digits, parse_int=Digits, parse_constant=_no_constant
)
_CONSTANTS: Final = {None: "null", True: "true", False: "false"}
_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    Digits: "a number",
    int: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}
