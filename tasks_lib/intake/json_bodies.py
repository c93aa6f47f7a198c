"""Read the body of a request: one JSON document, strictly, without touching a number's digits.

orjson decides what is JSON at all: it refuses NaN, byte order marks, halves of surrogate pairs and
bytes that are not UTF-8. What it would lose, digits and doubled keys, is read a second time.
"""

import json
from collections import Counter
from functools import cached_property
from typing import Any, Final

import orjson

from tasks_lib.domain.json_rows import Digits, keys_stand_once
from tasks_lib.domain.names import visible
from tasks_lib.errors import MalformedBodyError


class DoubledKeys(dict[str, Any]):
    """An object in which keys stand twice; ``names`` says which."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(name for name, _ in pairs)
        self.names = [name for name, count in times.items() if count > 1]


class Body:
    """A body that is JSON; opening it raises MalformedBodyError where it is not."""

    def __init__(self, body: bytes) -> None:
        try:
            self._document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            message = f"the body is not JSON: {error}"
            raise MalformedBodyError(message, code="malformed_json") from None
        self.text = body.decode()

    def certain(self) -> Any:
        """Return the document as orjson reads it, or None if keys may have been lost.

        Of numbers it tells the value, not the digits.
        """
        return self._document if self._keys_stand_once else None

    def exact(self) -> Any:
        """Return the document with numbers as Digits; objects may be DoubledKeys."""
        try:
            return (_DECODER if self._keys_stand_once else _CAREFUL_DECODER).decode(self.text)
        except RecursionError:
            message = "the body is nested too deep to be read"
            raise MalformedBodyError(message, code="malformed_json") from None

    @cached_property
    def _keys_stand_once(self) -> bool:
        try:
            return keys_stand_once(self.text, self._document)
        except orjson.JSONEncodeError:  # it is nested deeper than orjson writes
            return False


def read_body(body: bytes) -> Any:
    """Return the document that a body is, as ``parse_value`` reads it; raise MalformedBodyError."""
    document = Body(body).exact()
    doubled = doubled_key(document)
    if doubled is not None:
        message = f"the body has the member {visible(doubled)} twice in one object"
        raise MalformedBodyError(message, code="malformed_json")
    return document


def doubled_key(value: Any) -> str | None:
    """Return a key that stands twice, wherever in the value that is."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, DoubledKeys):
            return found.names[0]
        if isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else DoubledKeys(pairs)


_DECODER: Final = json.JSONDecoder(parse_float=Digits, parse_int=Digits)
_CAREFUL_DECODER: Final = json.JSONDecoder(
    parse_float=Digits, parse_int=Digits, object_pairs_hook=_object
)
