"""JSON as the text of a cell: valid, of bounded depth, and equal for every parser."""

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson

from tasks_lib.domain.names import shortened
from tasks_lib.domain.rows.json_rows import has_unique_keys
from tasks_lib.domain.values.numbers import OUT_OF_RANGE, is_in_range
from tasks_lib.domain.values.problem import refuse

if TYPE_CHECKING:  # most commands read no documents
    import msgspec

MAX_JSON_DEPTH: Final = 64

TOO_DEEP: Final = f"is nested deeper than {MAX_JSON_DEPTH} levels"

_CONTAINERS: Final = frozenset({dict, list})
_LONG_EXPONENTS: Final = (re.compile(rb"e[+-]?[0-9]{4}"), re.compile(rb"E[+-]?[0-9]{4}"))
"""LONG_EXPONENT in two: a pattern that begins with a certain character is found faster."""

_NUMERIC: Final = b"+-.0123456789eE"
_AS_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_BETWEEN: Final = ord("[") + 1
"""The character between the brackets: one more than the first, and one less than the other."""


def check_document(text: str) -> None:
    """Raise ValueProblemError unless a text is a document that a json field stores."""
    if is_surely_document(text):
        return
    refuse_shape(text)
    if depth_of(parse_document(text)) > MAX_JSON_DEPTH:
        refuse("invalid_json", text, TOO_DEEP)


def refuse_shape(text: str) -> None:
    """Raise ValueProblemError for a document with a fault that is cheap to see, however long it is.

    It says nothing about a text that is no JSON.
    """
    if not _is_valid(text):
        return
    if not is_shallow(text.encode()):
        refuse("invalid_json", text, TOO_DEEP)
    if has_nul(text.encode()):
        refuse("invalid_json", text, "holds a NUL character")
    number = _find_long_exponent(text.encode())
    if number is not None:
        refuse("invalid_json", text, f"is not valid JSON: {_out_of_range(number)}")


def is_surely_document(text: str) -> bool:
    """Return True if a text is certainly one that ``check_document`` accepts.

    This takes a tenth of its time. orjson keeps the last of two equal keys, and reads a number with
    a very long exponent.
    """
    try:
        return _is_surely_document(text.encode(), MAX_JSON_DEPTH)
    except UnicodeEncodeError:
        return False


def are_surely_documents(texts: Sequence[bytes]) -> bool:
    """Return True if ``is_surely_document`` is certainly true of every text.

    The texts must be known to have the syntax of JSON.
    """
    return _is_surely_document(b"[" + b",".join(texts) + b"]", MAX_JSON_DEPTH + 1)


def _is_surely_document(text: bytes, most_levels: int) -> bool:
    if has_nul(text) or _has_long_exponent(text):
        return False
    try:
        return is_shallow(text, most_levels) and has_unique_keys(text, orjson.loads(text))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False


def _has_long_exponent(text: bytes) -> bool:
    return any(pattern.search(text) for pattern in _LONG_EXPONENTS)


def _find_long_exponent(text: bytes) -> str | None:
    """Return a number with a long exponent in a valid document, or None."""
    if not _has_long_exponent(text):
        return None
    text = _without_strings(text, _NUMERIC + b",:[]{}")
    for found in filter(None, (pattern.search(text) for pattern in _LONG_EXPONENTS)):
        before, after = text[: found.start()], text[found.start() :]
        first = len(before.rstrip(_NUMERIC))
        return (before[first:] + after[: len(after) - len(after.lstrip(_NUMERIC))]).decode()
    return None


def has_nul(text: bytes) -> bool:
    """Return whether a valid JSON text has an escaped NUL."""
    if b"\\" not in text or b"\\u0000" not in text:
        return False
    return b"\\u0000" in text.replace(b"\\\\", b"")  # an escaped backslash begins no escape


@cache
def _syntax() -> "msgspec.json.Decoder[msgspec.Raw]":
    import msgspec  # noqa: PLC0415

    return msgspec.json.Decoder(msgspec.Raw)


def _is_valid(text: str) -> bool:
    import msgspec  # noqa: PLC0415

    try:
        _syntax().decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return False
    return True


def is_shallow(text: bytes, most_levels: int = MAX_JSON_DEPTH) -> bool:
    """Return whether a valid document is not nested too deep; cheaper than ``depth_of``."""
    if text.count(b"[") + text.count(b"{") <= most_levels:
        return True
    brackets = _without_strings(text, b"[]{}").translate(_AS_BRACKETS)
    import numpy as np  # noqa: PLC0415 - takes time to load, and few documents need it

    steps = _BETWEEN - np.frombuffer(brackets, np.int8)
    return bool(steps.cumsum(dtype=np.int32).max(initial=0) <= most_levels)


def _without_strings(text: bytes, signs: bytes) -> bytes:
    """Return only certain characters of a valid JSON text, and of these none in strings."""
    if b"\\" in text:  # an escaped quote does not end a string
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    text = text.translate(None, bytes(set(range(256)) - set(signs) - set(b'"')))
    outside = text.replace(b'""', b"")
    return b"".join(text.split(b'"')[::2]) if b'"' in outside else outside


def parse_document(text: str) -> Any:
    """Return a JSON document; numbers are returned as their digits."""
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_float=_in_range,
            parse_int=_in_range,
        )
        json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        refuse("invalid_json", text, TOO_DEEP)
    except UnicodeEncodeError:
        refuse("invalid_json", text, "holds half of a surrogate pair")
    except ValueError as error:
        refuse("invalid_json", text, f"is not valid JSON: {error}")
    return document


def _in_range(number: str) -> str:
    """Raise ValueError for a number that JSON parsers would turn into infinity."""
    if not is_in_range(number):
        raise ValueError(_out_of_range(number))
    return number


def _out_of_range(number: str) -> str:
    return f"the number {shortened(number, 20)} is {OUT_OF_RANGE}"


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key {shortened(key)} occurs twice in one object")
        document[key] = value
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def depth_of(document: Any) -> int:
    """Return how many containers of a document are inside each other."""
    depth, containers = 0, [document] if type(document) in _CONTAINERS else []
    while containers:
        depth += 1
        containers = [
            child
            for container in containers
            for child in (container.values() if type(container) is dict else container)
            if type(child) in _CONTAINERS
        ]
    return depth
