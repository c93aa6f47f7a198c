"""Read the body of a request: one strict JSON document, whose numbers keep their digits.

orjson decides what is valid JSON: it refuses NaN, byte order marks, halves of surrogate pairs and
bytes that are not UTF-8. A body in which it would lose digits or duplicate keys is parsed again.

A large object is read as its members, whose values are parsed when they are asked for: a body that
is refused for its shape or its names costs no more than a look at it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import msgspec
import orjson
from msgspec import Raw

from tasks_lib.domain.json_rows import Digits, has_unique_keys, kind_of
from tasks_lib.domain.names import visible
from tasks_lib.errors import MalformedBodyError

_EXAMINED_BYTES: Final = 2**20
"""In longer objects a member that occurs twice is not named: finding it takes seconds."""


class DoubledKeys(dict[str, Any]):
    """An object with duplicate keys; ``names`` lists them."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(name for name, _ in pairs)
        self.names = [name for name, count in times.items() if count > 1]


class Members(Mapping[str, Any]):
    """A JSON object whose values are parsed, exactly, when they are asked for."""

    def __init__(self, text: bytes, raw: dict[str, Raw]) -> None:
        self._text = text
        self._raw = raw

    def __getitem__(self, name: str) -> Any:
        return parse_raw(bytes(self._raw[name]))

    def __contains__(self, name: object) -> bool:
        return name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def raw(self, name: str) -> bytes:
        """Return the text of a value."""
        return bytes(self._raw[name])

    def kind(self, name: str) -> type:
        """Return the kind of a value without parsing it."""
        return _kind(bytes(self._raw[name]))

    def doubled(self) -> list[str]:
        """Return the names that occur twice in this object, not in the objects inside it.

        Raises MalformedBodyError for one that is too long to name them.
        """
        colons = sum(name.count(":") + bytes(raw).count(b":") for name, raw in self._raw.items())
        # An escaped colon would make up for the one after a doubled key.
        has_escaped = _ESCAPED_COLON.search(self._text) is not None
        if self._text.count(b":") == colons + len(self._raw) and not has_escaped:
            return []
        if len(self._text) > _EXAMINED_BYTES:
            message = "the body has a member twice in one object, or \\u003a instead of a colon"
            raise MalformedBodyError(message, code="malformed_json")
        document = Body(self._text).exact()
        return document.names if isinstance(document, DoubledKeys) else []


def read_body_object(body: bytes, expected: str) -> Members:
    """Return the members of a body; raise MalformedBodyError for any other value."""
    members = read_object(body)
    if members is not None:
        return members
    document = Body(body).document
    if isinstance(document, dict):
        message = "the body is nested too deep to be read"
        raise MalformedBodyError(message, code="malformed_json")
    kind = "a number" if type(document) is float else kind_of(document)
    raise MalformedBodyError(f"{expected}; it is {kind}")


def read_object(text: bytes) -> Members | None:
    """Return the members of an object; None for another value, or for one that is no valid JSON."""
    try:
        return Members(text, _MEMBERS.decode(text))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def parse_raw(text: bytes) -> Any:
    """Parse a value exactly; raise MalformedBodyError if it is no valid JSON."""
    kind = _kind(text)
    if kind is Digits and len(text) < _SHORT_DIGITS:
        return Digits(text.decode())
    return _document(text) if kind is str else Body(text).exact()


def _kind(text: bytes) -> type:
    return _KINDS.get(text[:1], Digits)


def _document(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        message = f"the body is not JSON: {error}"
        raise MalformedBodyError(message, code="malformed_json") from None


class Body:
    """A JSON body; raises MalformedBodyError if it is not JSON."""

    def __init__(self, body: bytes) -> None:
        self.document = _document(body)
        self.text = body.decode()

    def readings(self) -> Iterator[Any]:
        """Yield the document as orjson reads it, unless keys may be lost, and then exactly.

        At first, numbers have their value, but not their digits.
        """
        if self._has_unique_keys:
            yield self.document
        yield self.exact()

    def exact(self) -> Any:
        """Return the document with numbers as Digits and DoubledKeys for duplicate keys."""
        try:
            return (_DECODER if self._has_unique_keys else _CAREFUL_DECODER).decode(self.text)
        except RecursionError:
            message = "the body is nested too deep to be read"
            raise MalformedBodyError(message, code="malformed_json") from None

    @cached_property
    def _has_unique_keys(self) -> bool:
        try:
            return has_unique_keys(self.text, self.document)
        except orjson.JSONEncodeError:  # nested deeper than orjson can write
            return False


def read_body(body: bytes) -> Any:
    """Parse a body as ``parse_value`` does; raise MalformedBodyError."""
    document = Body(body).exact()
    doubled = doubled_key(document)
    if doubled is not None:
        message = f"the body has the member {visible(doubled)} twice in one object"
        raise MalformedBodyError(message, code="malformed_json")
    return document


def doubled_key(value: Any) -> str | None:
    """Return a duplicate key at any depth of the value, or None."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, DoubledKeys):
            return item.names[0]
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else DoubledKeys(pairs)


_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_KINDS: Final[dict[bytes, type]] = {
    b"{": dict, b"[": list, b'"': str, b"t": bool, b"f": bool, b"n": type(None),
}  # fmt: skip
_ESCAPED_COLON: Final = re.compile(rb"\\u003[aA]")
_SHORT_DIGITS: Final = 300
"""A longer number may be too large to be valid."""

_DECODER: Final = json.JSONDecoder(parse_float=Digits, parse_int=Digits)
_CAREFUL_DECODER: Final = json.JSONDecoder(
    parse_float=Digits, parse_int=Digits, object_pairs_hook=_object
)
