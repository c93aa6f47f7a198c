"""Read the body of a request: one strict JSON document, whose numbers keep their digits.

orjson decides what is valid JSON: it refuses NaN, byte order marks, halves of surrogate pairs and
bytes that are not UTF-8. A body in which it would lose digits or duplicate keys is parsed again.

A large object is read as its members, whose values are parsed when they are asked for: a body that
is refused for its shape or its names costs no more than a look at it. If the names of its members
are known, that look ends at the first other one.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

import msgspec
import orjson
from msgspec import Raw

from tasks_lib.domain.names import visible
from tasks_lib.domain.rows.json_rows import Digits, count_escaped_colons, has_unique_keys, kind_of
from tasks_lib.errors import MalformedBodyError

CLOSE_BYTES: Final = 64 * 2**10
"""A longer text is not parsed for the sake of a better message."""

_START_BYTES: Final = 8 * 2**10
"""The part of a long object in which members that are there twice are looked for first."""

_KEPT_DECODERS: Final = 256


class DoubledKeys(dict[str, Any]):
    """An object with duplicate keys; ``names`` lists them."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(name for name, _ in pairs)
        self.names = [name for name, count in times.items() if count > 1]


class Members(Mapping[str, Any]):
    """A JSON object whose values are parsed, exactly, when they are asked for.

    If it is not ``is_whole``, only its first unknown member is here.
    """

    def __init__(self, text: bytes, raw: dict[str, Raw], *, is_whole: bool = True) -> None:
        self._text = text
        self._raw = raw
        self.is_whole = is_whole

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
        return type_of(bytes(self._raw[name]))

    def doubled(self) -> list[str]:
        """Return the names that occur twice in this object, not in the objects inside it.

        Raises MalformedBodyError for one that is too long to name them.
        """
        if not self.is_whole:
            return []
        texts = [bytes(raw) for raw in self._raw.values()]
        colons = len(texts) + sum(count(":", text) for text in texts)
        if any(":" in name for name in self._raw):
            colons += sum(name.count(":") for name in self._raw)
            colons -= count_escaped_colons(self._text) - sum(map(count_escaped_colons, texts))
        if count(":", self._text) == colons:
            return []
        if len(self._text) > CLOSE_BYTES:
            message = "the body has a member twice in one object"
            raise MalformedBodyError(message, code="malformed_json")
        document = Body(self._text).exact()
        return document.names if isinstance(document, DoubledKeys) else []


def read_body_object(
    body: bytes, expected: str, names: tuple[str, ...] | None = None, *, is_valid: bool = False
) -> Members:
    """Return the members of a body; raise MalformedBodyError for any other value.

    See ``read_named`` for the ``names``, if they are known.
    """
    members = read_named(body, names, is_valid=is_valid) if names is not None else read_object(body)
    if members is not None:
        return members
    check_large(body, expected)
    document = Body(body).document
    if isinstance(document, dict):
        message = "the body is nested too deep to be read"
        raise MalformedBodyError(message, code="malformed_json")
    kind = "a number" if type(document) is float else kind_of(document)
    raise MalformedBodyError(f"{expected}; it is {kind}")


def check_large(body: bytes, expected: str) -> None:
    """Raise MalformedBodyError if a body that is no valid object is too large to be parsed."""
    if len(body) <= CLOSE_BYTES:
        return
    try:
        _RAW.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedBodyError(f"the body is not JSON: {error}", code="malformed_json") from None
    except RecursionError:
        message = "the body is nested too deep to be read"
        raise MalformedBodyError(message, code="malformed_json") from None
    kind = kind_of(type_of(body.lstrip()[:1])())
    if kind == "an object":
        message = "the body is not JSON: a name is not valid UTF-8"
        raise MalformedBodyError(message, code="malformed_json")
    raise MalformedBodyError(f"{expected}; it is {kind}")


def read_named(text: bytes, names: tuple[str, ...], *, is_valid: bool = False) -> Members | None:
    """Return the members of an object as ``read_object`` does, at less cost if it is long.

    If a long one has a member that is not in ``names``, only the first such member is returned,
    without its value. Raises MalformedBodyError if one of its first members is there twice.
    ``is_valid``: the text is known to be JSON.
    """
    decoder = _decoder_of(names) if len(text) > CLOSE_BYTES else None
    if decoder is None:
        return read_object(text)
    members = _find_members(text, names)
    if members is not None and (is_valid or _is_json(text)):
        return Members(text, members)
    doubled = _find_doubled(text[:_START_BYTES].decode(errors="ignore"), len(names))
    if doubled is not None:
        message = f"the body has the member {visible(doubled)} twice in one object"
        raise MalformedBodyError(message, code="malformed_json")
    try:
        found = decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        unknown = _UNKNOWN.fullmatch(str(error))
        return Members(text, {unknown[1]: _NO_VALUE}, is_whole=False) if unknown else None
    values = [(name, getattr(found, f"m{place}")) for place, name in enumerate(names)]
    return Members(text, {name: raw for name, raw in values if raw is not _NO_VALUE})


def _find_members(text: bytes, names: tuple[str, ...]) -> dict[str, Raw] | None:
    """Return the members of a valid object that ends with a long value without texts, else None.

    The value need not be skipped to find its end: names are texts, so no member can follow a value
    after which there is no quote.
    """
    members: dict[str, Raw] = {}
    start = text[:_START_BYTES].decode("latin-1")
    separator = _OPENING.match(start)
    try:
        while separator is not None:
            name, end = _PARTS.raw_decode(start, separator.end() - 1)
            colon = _COLON.match(start, end)
            if colon is None or not name.isascii() or name not in names or name in members:
                return None
            if b'"' not in text[colon.end() :]:
                members[name] = Raw(text[colon.end() :].rstrip()[:-1].rstrip())
                return members
            _, end = _PARTS.raw_decode(start, colon.end())
            members[name] = Raw(text[colon.end() : end])
            separator = _COMMA.match(start, end)
    except (ValueError, RecursionError):  # the text was cut there
        pass
    return None


def _is_json(text: bytes) -> bool:
    try:
        _RAW.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _find_doubled(start: str, count: int) -> str | None:
    """Return a name that is among the first members of an object twice, or None.

    ``start`` is the beginning of its text. Of more than ``count`` members, at least one is doubled
    or unknown, so no more of them are looked at.
    """
    names: set[str] = set()
    separator = _OPENING.match(start)
    try:
        while separator is not None and len(names) <= count:
            name, end = _PARTS.raw_decode(start, separator.end() - 1)
            if name in names:
                return str(name)
            names.add(name)
            colon = _COLON.match(start, end)
            if colon is None:
                return None
            _, end = _PARTS.raw_decode(start, colon.end())
            separator = _COMMA.match(start, end)
    except (ValueError, RecursionError):  # the text was cut there
        pass
    return None


@lru_cache(_KEPT_DECODERS)
def _decoder_of(names: tuple[str, ...]) -> msgspec.json.Decoder[Any] | None:
    """Return the decoder of objects with these members; None if msgspec cannot have their names."""
    if not all(encode_basestring(name) == f'"{name}"' for name in names):
        return None
    members = [(f"m{place}", Raw, _NO_VALUE) for place in range(len(names))]
    renamed = {f"m{place}": name for place, name in enumerate(names)}
    model = msgspec.defstruct(
        "Members", members, rename=renamed, forbid_unknown_fields=True, gc=False
    )
    return msgspec.json.Decoder(model)


def read_object(text: bytes) -> Members | None:
    """Return the members of an object; None for another value, or for one that is no valid JSON."""
    try:
        return Members(text, _MEMBERS.decode(text))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def count(character: str, text: bytes) -> int:
    """Count an ASCII character; in a long text faster than ``bytes.count`` if it is frequent."""
    if len(text) <= CLOSE_BYTES:
        return text.count(character.encode())
    import numpy as np  # noqa: PLC0415 - takes memory, and short bodies do not need it

    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord(character)))


def parse_raw(text: bytes) -> Any:
    """Parse a value exactly; raise MalformedBodyError if it is no valid JSON."""
    kind = type_of(text)
    if kind is Digits and len(text) < _SHORT_DIGITS:
        return Digits(text.decode())
    return _document(text) if kind is str else Body(text).exact()


class Plain(NamedTuple):
    """A value as ``json_text`` writes it; None if it has to be parsed exactly for that."""

    written: str | None
    has_unique_keys: bool = True


def write_plain(text: bytes) -> Plain:
    """Write a value without parsing it exactly, if possible; tell if a key is there twice."""
    try:
        if not has_unique_keys(text, orjson.loads(text)):
            return Plain(None, has_unique_keys=False)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return Plain(None)
    if b"\\" in text:
        return Plain(None)
    if not any(blank in text for blank in _BLANKS):
        return Plain(text.decode())
    return Plain(msgspec.json.format(text, indent=-1).decode())


def type_of(text: bytes) -> type:
    """Return the kind of a value by its first character."""
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
        self._body = body

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
            return (_DECODER if self._has_unique_keys else _CAREFUL_DECODER).decode(
                self._body.decode()
            )
        except RecursionError:
            message = "the body is nested too deep to be read"
            raise MalformedBodyError(message, code="malformed_json") from None

    @cached_property
    def _has_unique_keys(self) -> bool:
        try:
            return has_unique_keys(self._body, self.document)
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


_OPENING: Final = re.compile(r'[ \t\r\n]*\{[ \t\r\n]*"')
_COMMA: Final = re.compile(r'[ \t\r\n]*,[ \t\r\n]*"')
_COLON: Final = re.compile(r"[ \t\r\n]*:[ \t\r\n]*")
_NO_VALUE: Final = Raw(b"null")
_RAW: Final = msgspec.json.Decoder(Raw)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
"""The sentence of msgspec about the first member that a type does not have."""

_KINDS: Final[dict[bytes, type]] = {
    b"{": dict, b"[": list, b'"': str, b"t": bool, b"f": bool, b"n": type(None),
}  # fmt: skip
_BLANKS: Final = (b" ", b"\n", b"\t", b"\r")
_SHORT_DIGITS: Final = 300
"""A longer number may be too large to be valid."""

_PARTS: Final = json.JSONDecoder()
_DECODER: Final = json.JSONDecoder(parse_float=Digits, parse_int=Digits)
_CAREFUL_DECODER: Final = json.JSONDecoder(
    parse_float=Digits, parse_int=Digits, object_pairs_hook=_object
)
