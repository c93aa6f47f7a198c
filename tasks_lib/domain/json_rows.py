"""Rows and values as JSON, read and written without touching a number's digits."""

import json
from collections.abc import Collection
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn

import orjson


class Digits(str):
    """A JSON number as it was written: ``1.50`` and ``12345678901234567890`` stay themselves."""

    __slots__ = ()


def parse_row(text: str) -> dict[str, Any]:
    """Read a JSON object: numbers come as Digits, strings as str, the rest as usual in Python.

    Of a key that stands twice the last one counts: what is stored has been checked for that.
    Raises ValueError when the text is no JSON object.
    """
    row = parse_value(text)
    if not isinstance(row, dict):
        raise ValueError(f"a row must be a JSON object, not {kind_of(row)}")  # noqa: TRY004 - a text, not a type, is wrong
    return row


def parse_task_row(text: str, fields: Collection[str] = ()) -> dict[str, Any]:
    """Read a task from an array: id, status, creation, predefined values, those filled in or null.

    Of ``fields`` one that is called like one of the first three stands in its place, even if empty.
    """
    number, status, created, predefined, filled_in = parse_value(text)
    own = {"id": number, "status": status, "created": created}
    return {**own, **dict.fromkeys(fields), **predefined, **(filled_in or {})}


def parse_value(text: str) -> Any:
    """Read one JSON document as ``parse_row`` does; raise ValueError when it is none."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deep to be read") from None


def keys_stand_once(text: str, document: Any) -> bool:
    """Tell whether certainly no object in the text has a key twice, of which readers keep one.

    ``document`` is what was read from the text. A doubt is no: then a slower look has to tell.
    """
    # An escaped colon would make up for the one after a doubled key.
    return "\\u003" not in text and text.count(":") == orjson.dumps(document).count(b":")


def json_text(value: Any) -> str:
    """Write a value as JSON on one line, its numbers digit by digit."""
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
    """Return what a person calls the kind of a JSON value: ``an object``, ``a number``, ..."""
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
