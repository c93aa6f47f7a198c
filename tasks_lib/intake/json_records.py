"""Read JSON objects one by one: from JSON Lines, or from one array that may be of any size.

First only line ends, or brackets and quotes, are looked at, so that of a large file no more than a
row is ever at hand. Then each row is read by the rule for JSON of ``tasks_lib.domain.values``, or
by a quicker one that is narrower: what it accepts must pass the rule, and a test holds it to that.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.json_rows import keys_stand_once, kind_of, parse_value
from tasks_lib.domain.names import shortened
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.values import MAX_JSON_DEPTH, ValueProblemError, reader_of
from tasks_lib.intake.encodings import ByteReader
from tasks_lib.intake.limits import Limits

_READ_BYTES: Final = 2**20
_BLANKS: Final = b" \t\r\n"
_OPENING: Final = frozenset({b"{", b"["})
_CLOSING: Final = frozenset({b"}", b"]"})

_BLANK: Final = re.compile(rb"[ \t\r\n]*+")
_QUOTED: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING: Final = re.compile(_QUOTED, re.DOTALL)
_WORD: Final = re.compile(rb'[^ \t\r\n,"\[\]{}]*+')
_UP_TO_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|' + _QUOTED + rb")*+", re.DOTALL)

_BREAKS: Final = re.compile(r"[\t\r\n]")
_LONG_EXPONENT: Final = re.compile(r"[eE][+-]?[0-9]{4}")
_WHOLE_LIMIT: Final = 2.0**63
_read = reader_of(
    Field(name="row", type=FieldType.JSON, source=FieldSource.DATASET, required=False)
)


class JsonRecord(NamedTuple):
    """The bytes of one element, as they stand in the file, and its 1-based number."""

    row: int
    data: bytes


def json_lines(stream: ByteReader, limits: Limits) -> Iterator[JsonRecord]:
    """Yield each line that is not blank; what is in it is hardly looked at.

    Raises SourceProblemError for a line that is too long, and for a file that is no lines of JSON.
    """
    row = 0
    for line in _lines(stream, limits.max_row_bytes):
        _check_size(len(line), row + 1, limits)
        data = line.strip(_BLANKS)
        if data:
            row += 1
            if row == 1:
                _check_is_text(data)
                _check_is_line(data)
            yield JsonRecord(row, data)


def json_array(stream: ByteReader, limits: Limits) -> Iterator[JsonRecord]:
    """Yield the elements of the array that the file is, each as far as brackets and quotes tell.

    Raises SourceProblemError where the file is no array, or is cut off.
    """
    data = _Data(stream, limits)
    _check_is_text(data.next_byte())
    if data.next_byte() != b"[":
        raise _damaged(f"the file is no JSON array: it begins with {data.shown()}")
    data.take()
    row = 0
    closing = data.next_byte() == b"]"
    while not closing:
        row += 1
        element = data.element(row)
        if row == 1:
            _check_is_text(element)
        yield JsonRecord(row, element)
        closing = data.next_byte() == b"]"
        if not closing:
            data.take_comma(row)
    data.take()
    if data.next_byte():
        raise _damaged(f"after the array's end stands {data.shown()}")


def read_object(text: str) -> tuple[str, dict[str, Any]]:
    """Return a row as it is stored, and its members: numbers are Digits, or Python's.

    Raises ValueProblemError where the text is no JSON, or JSON that is not to be had.
    """
    members = certain_object(text)
    if members is None:
        members = parse_value(_read(text))
        if not isinstance(members, dict):
            message = f"{shortened(text)} is {kind_of(members)}, not an object"
            raise ValueProblemError("not_an_object", message)
    # JSON has control characters between its tokens only, where a space is as good.
    return _BREAKS.sub(" ", text), members


def certain_object(text: str) -> dict[str, Any] | None:
    """Return the members of what certainly is an object by the rule, else None."""
    try:
        members = orjson.loads(text)
        if type(members) is not dict or _may_be_doubtful(text, members):
            return None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return members


def _may_be_doubtful(text: str, members: dict[str, Any]) -> bool:
    """Tell whether there may be doubled keys, NUL, deep nesting, or numbers that a float loses."""
    return (
        not keys_stand_once(text, members)
        or "\\u0000" in text
        or text.count("{") + text.count("[") > MAX_JSON_DEPTH
        or _LONG_EXPONENT.search(text) is not None
        or any(type(value) is float and abs(value) >= _WHOLE_LIMIT for value in members.values())
    )


def _lines(stream: ByteReader, max_bytes: int) -> Iterator[bytes]:
    """Yield the lines; one that is too long comes as far as it was read, and is the last."""
    parts: list[bytes] = []
    size = 0
    while size <= max_bytes and (block := stream.read(_READ_BYTES)):
        first, *others = block.split(b"\n")
        parts.append(first)
        size += len(first)
        if others:
            yield b"".join(parts)
            yield from others[:-1]
            parts, size = [others[-1]], len(others[-1])
    yield b"".join(parts)


class _Data:
    """What of the file is at hand, from where reading stands on."""

    def __init__(self, stream: ByteReader, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._data = b""
        self._at = 0

    def next_byte(self) -> bytes:
        """Return the next byte that is not blank, without taking it; none at the end."""
        while True:
            blank = _BLANK.match(self._data, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._data) or not self._read_on():
                return self._data[self._at : self._at + 1]

    def take(self) -> None:
        """Take the byte that ``next_byte`` has shown."""
        self._at += 1

    def take_comma(self, row: int) -> None:
        """Take the comma between two elements."""
        found = self.next_byte()
        if not found:
            raise _damaged(f"the file ends after element {row:,}: it was cut off")
        if found != b",":
            message = f"after element {row:,} stands {self.shown()}, neither a comma nor a bracket"
            raise _damaged(message)
        self.take()

    def shown(self) -> str:
        """Name the next byte for a person."""
        found = self.next_byte()
        if not found:
            return "nothing"
        return repr(found.decode()) if found.isascii() else f"the byte 0x{found.hex().upper()}"

    def element(self, row: int) -> bytes:
        """Take what should be one JSON value."""
        first = self.next_byte()
        if first in {b",", *_CLOSING}:
            raise _damaged(f"in place of element {row:,} stands {self.shown()}", row)
        size = self._container_size(row) if first in _OPENING else self._scalar_size(row)
        _check_size(size, row, self._limits)
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def _container_size(self, row: int) -> int:
        size, depth = 0, 0
        while True:
            inside = _UP_TO_BRACKET.match(self._data, self._at + size)
            size = inside.end() - self._at if inside else size
            found = self._data[self._at + size : self._at + size + 1]
            if found in _OPENING:
                depth += 1
            elif found in _CLOSING:
                depth -= 1
                if not depth:
                    return size + 1
            else:  # a string that is not all at hand, or nothing at all
                self._must_read_on(row)
                continue
            size += 1

    def _scalar_size(self, row: int) -> int:
        while True:
            if self._data[self._at : self._at + 1] == b'"':
                found = _STRING.match(self._data, self._at)
            else:
                found = _WORD.match(self._data, self._at)
                if found and found.end() == len(self._data):
                    found = None  # a word may go on in what has not been read
            if found:
                return found.end() - self._at
            self._must_read_on(row)

    def _must_read_on(self, row: int) -> None:
        _check_size(len(self._data) - self._at, row, self._limits)
        if not self._read_on():
            message = f"the file ends within element {row:,}: it was cut off, or a quote or bracket"
            raise _damaged(f"{message} is not closed", row)

    def _read_on(self) -> bool:
        # As much again as there is, so that a long element is not copied over and over.
        block = self._stream.read(max(_READ_BYTES, len(self._data) - self._at))
        self._data = self._data[self._at :] + block
        self._at = 0
        return bool(block)


def _check_is_text(start: bytes) -> None:
    if b"\0" in start[:4]:
        raise _damaged(
            "the file begins with NUL characters, so it is no JSON text; if it is UTF-16 without a "
            "byte order mark, give the encoding utf-16-le or utf-16-be"
        )


def _check_is_line(data: bytes) -> None:
    if data in _OPENING:
        raise _damaged(
            f"the first line is {data.decode()!r} alone, so these are no JSON Lines; "
            "write one object on each line, or all of them as one array"
        )


def _check_size(size: int, row: int, limits: Limits) -> None:
    if size > limits.max_row_bytes:
        message = (
            f"row {row:,} is larger than {limits.max_row_bytes:,} bytes; "
            "raise SEEDING_MAX_ROW_BYTES if that is meant"
        )
        raise SourceProblemError(Problem("row_too_large", message, row))


def _damaged(message: str, row: int | None = None) -> SourceProblemError:
    return SourceProblemError(Problem("not_json", message, row))
