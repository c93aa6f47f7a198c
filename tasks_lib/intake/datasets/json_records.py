"""Read JSON objects one by one: from JSON Lines, or from one array of any size.

A file is first cut into rows by line ends, or by brackets and quotes, so that only one row is in
memory. Then each row is read by the JSON rule of ``tasks_lib.domain.values``, or by a faster and
narrower one: rows that it accepts must pass the rule, and a test verifies that.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import orjson

from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.json_rows import has_unique_keys, kind_of, parse_value
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import did_you_mean, shortened
from tasks_lib.domain.values.json_text import MAX_JSON_DEPTH
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.domain.values.readers import reader_of
from tasks_lib.errors import Problem, SourceProblemError, UsageError
from tasks_lib.intake.csv_files.encodings import ByteReader
from tasks_lib.intake.rows.limit_problems import row_too_large

_READ_BYTES: Final = 2**20
_BLANKS: Final = b" \t\r\n"
_OPENING: Final = frozenset({b"{", b"["})
_CLOSING: Final = frozenset({b"}", b"]"})

_BLANK: Final = re.compile(rb"[ \t\r\n]*+")
_QUOTED: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING: Final = re.compile(_QUOTED, re.DOTALL)
_WORD: Final = re.compile(rb'[^ \t\r\n,"\[\]{}]*+')
_UP_TO_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|' + _QUOTED + rb")*+", re.DOTALL)

_STEP: Final = re.compile(r"\.?([^.\[\]'\"$]+)|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_HINT_DEPTH: Final = 2
_HINT_BYTES: Final = 64

_BREAKS: Final = re.compile(r"[\t\r\n]")
_LONG_EXPONENT: Final = re.compile(r"[eE][+-]?[0-9]{4}")
_WHOLE_LIMIT: Final = 2.0**63
_read = reader_of(
    Field(name="row", type=FieldType.JSON, source=FieldSource.DATASET, required=False)
)


class JsonRecord(NamedTuple):
    """The 1-based number of an element, and its bytes as they are in the file."""

    row: int
    data: bytes


def json_lines(stream: ByteReader, limits: Limits) -> Iterator[JsonRecord]:
    """Yield each line that is not blank, without parsing it.

    Raises SourceProblemError for a line that is too long, or a file that is not JSON Lines.
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


def json_array(
    stream: ByteReader, limits: Limits, records: Sequence[str] = ()
) -> Iterator[JsonRecord]:
    """Yield the elements of the file's array, as brackets and quotes delimit them.

    ``records`` are the names of the members that lead to the array; without any, it is the whole
    file, which may also be objects one after the other. Raises SourceProblemError if there is
    neither, or if the file is cut off.
    """
    data = _Data(stream, limits)
    _check_is_text(data.next_byte())
    if not records and data.next_byte() == b"{":
        yield from _objects(data)
        return
    for depth in range(len(records)):
        _enter_member(data, records, depth)
    if data.next_byte() != b"[":
        raise _no_array(data, records)
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
    for name in reversed(records):
        _leave_object(data, name)
    if data.next_byte():
        what = "array" if not records else "document"
        raise _damaged(f"the {what} is followed by {data.shown()}")


def _objects(data: "_Data") -> Iterator[JsonRecord]:
    row = 0
    while data.next_byte():
        if data.next_byte() != b"{":
            raise _damaged(f"object {row:,} is followed by {data.shown()}, not by an object")
        row += 1
        element = data.element(row)
        if row == 1:
            _check_is_text(element)
        yield JsonRecord(row, element)


def find_arrays(stream: ByteReader, limits: Limits) -> list[str]:
    """Return which members of the file's one object hold arrays of objects, as paths of names."""
    found: list[str] = []
    with suppress(SourceProblemError):  # what was found before the damage is still a hint
        _collect_arrays(_Data(stream, limits), "", found)
    return found


def split_records(path: str) -> tuple[str, ...]:
    """Split a path of names such as ``data.items`` or ``$['a.b'].items``; raise UsageError."""
    rest = path.removeprefix("$")
    names: list[str] = []
    while rest:
        match = _STEP.match(rest)
        if match is None or (rest[0] not in ".[" and names):
            break
        names.append(next(name for name in match.groups() if name is not None))
        rest = rest[match.end() :]
    if rest or not names:
        raise UsageError(
            f"{path!r} does not name the member that holds the rows; expected names and dots, such "
            "as data or response.items"
        )
    return tuple(names)


def _enter_member(data: "_Data", records: Sequence[str], depth: int) -> None:
    """Go to the value of a member of the next object; skip the members before it."""
    if data.next_byte() != b"{":
        raise _no_array(data, records[:depth])
    data.take()
    names: list[str] = []
    while data.next_byte() == b'"':
        name = data.key()
        if name == records[depth]:
            return
        names.append(name)
        data.skip()
        if data.next_byte() != b",":
            break
        data.take()
    if data.next_byte() != b"}":
        raise _damaged(f"a member is followed by {data.shown()}: expected a comma or a brace")
    path = ".".join(records[: depth + 1])
    hint = did_you_mean(records[depth], names) or f"; its members are {', '.join(names[:10])}"
    message = f"the file has no member {path!r}{hint if names else ''}"
    raise SourceProblemError(Problem("records_not_found", message))


def _leave_object(data: "_Data", name: str) -> None:
    """Skip the members after the one that was entered; it must not occur twice."""
    while data.next_byte() == b",":
        data.take()
        if data.key() == name:
            raise _damaged(f"the member {name!r} occurs twice, so that one of them would be lost")
        data.skip()
    if data.next_byte() != b"}":
        raise _damaged(f"a member is followed by {data.shown()}: the file was cut off, or damaged")
    data.take()


def _collect_arrays(data: "_Data", prefix: str, found: list[str]) -> None:
    if data.next_byte() != b"{":
        return
    data.take()
    while data.next_byte() == b'"':
        name = prefix + data.key()
        first = data.next_byte()
        if first == b"{" and name.count(".") < _HINT_DEPTH:
            _collect_arrays(data, f"{name}.", found)
        else:
            if first == b"[" and data.is_array_of_objects():
                found.append(name)
            data.skip()
        if data.next_byte() != b",":
            break
        data.take()
    if data.next_byte() == b"}":
        data.take()


def _no_array(data: "_Data", records: Sequence[str]) -> SourceProblemError:
    if not records:
        return _damaged(f"the file is not a JSON array: it begins with {data.shown()}")
    path = ".".join(records)
    message = f"the member {path!r} of the file is no list of rows: it begins with {data.shown()}"
    return SourceProblemError(Problem("records_not_found", message))


def read_object(text: str) -> tuple[str, dict[str, Any]]:
    """Return a row's text to store, and its members, whose numbers are Digits or Python's.

    Raises ValueProblemError if the text is not JSON, or JSON that cannot be stored.
    """
    members = certain_object(text)
    if members is None:
        members = parse_value(_read(text))
        if not isinstance(members, dict):
            message = f"{shortened(text)} is {kind_of(members)}, not an object"
            raise ValueProblemError("not_an_object", message)
    # In valid JSON, control characters are only between tokens, where a space means the same.
    return _BREAKS.sub(" ", text), members


def certain_object(text: str) -> dict[str, Any] | None:
    """Return the members if the text is certainly a valid object by the rule, else None."""
    try:
        members = orjson.loads(text)
        if type(members) is not dict or _may_be_doubtful(text, members):
            return None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return members


def _may_be_doubtful(text: str, members: dict[str, Any]) -> bool:
    """Return True if there may be duplicate keys, NUL, deep nesting, or numbers beyond a float."""
    return (
        not has_unique_keys(text, members)
        or "\\u0000" in text
        or text.count("{") + text.count("[") > MAX_JSON_DEPTH
        or _LONG_EXPONENT.search(text) is not None
        or any(type(value) is float and abs(value) >= _WHOLE_LIMIT for value in members.values())
    )


def _lines(stream: ByteReader, max_bytes: int) -> Iterator[bytes]:
    """Yield the lines; the last one is incomplete if it is too long."""
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
    """The part of the file that is in memory, and the position in it."""

    def __init__(self, stream: ByteReader, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._data = b""
        self._at = 0

    def next_byte(self) -> bytes:
        """Return the next byte that is not blank, without consuming it; no byte at the end."""
        while True:
            blank = _BLANK.match(self._data, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._data) or not self._read_more():
                return self._data[self._at : self._at + 1]

    def take(self) -> None:
        """Consume the byte that ``next_byte`` has returned."""
        self._at += 1

    def take_comma(self, row: int) -> None:
        """Consume the comma between two elements."""
        byte = self.next_byte()
        if not byte:
            raise _damaged(f"the file ends after element {row:,}: it was cut off")
        if byte != b",":
            message = f"element {row:,} is followed by {self.shown()}, not by a comma or bracket"
            raise _damaged(message)
        self.take()

    def shown(self) -> str:
        """Return the next byte as a message shows it."""
        byte = self.next_byte()
        if not byte:
            return "nothing"
        return repr(byte.decode()) if byte.isascii() else f"the byte 0x{byte.hex().upper()}"

    def key(self) -> str:
        """Consume the name of a member, and the colon after it."""
        if self.next_byte() != b'"':
            raise _damaged(f"a member begins with {self.shown()}, not with its name")
        size = self._scalar_size(None)
        try:
            name = str(orjson.loads(self._data[self._at : self._at + size]))
        except orjson.JSONDecodeError:
            raise _damaged("the name of a member is not a JSON string") from None
        self._at += size
        if self.next_byte() != b":":
            raise _damaged(f"the name {name!r} is followed by {self.shown()}, not by a colon")
        self.take()
        return name

    def skip(self) -> None:
        """Consume one value of any size."""
        depth = 0
        while True:
            byte = self.next_byte()
            if byte in _OPENING or byte in _CLOSING:
                depth += 1 if byte in _OPENING else -1
                self.take()
            elif byte and byte in b",:" and depth:
                self.take()
            else:
                size = self._scalar_size(None)  # it may move the position
                self._at += size
            if depth <= 0:
                return

    def is_array_of_objects(self) -> bool:
        """Tell whether the array that comes next begins with an object."""
        at = self._at
        start = self._data[at + 1 : at + 1 + _HINT_BYTES].lstrip(_BLANKS)
        return start.startswith(b"{")

    def element(self, row: int) -> bytes:
        """Consume and return one JSON value."""
        first = self.next_byte()
        if first in {b",", *_CLOSING}:
            raise _damaged(f"element {row:,} is missing: found {self.shown()}", row)
        size = self._container_size(row) if first in _OPENING else self._scalar_size(row)
        _check_size(size, row, self._limits)
        element = self._data[self._at : self._at + size]
        self._at += size
        return element

    def _container_size(self, row: int) -> int:
        size, depth = 0, 0
        while True:
            inside = _UP_TO_BRACKET.match(self._data, self._at + size)
            size = inside.end() - self._at if inside else size
            byte = self._data[self._at + size : self._at + size + 1]
            if byte in _OPENING:
                depth += 1
            elif byte in _CLOSING:
                depth -= 1
                if not depth:
                    return size + 1
            else:  # an incomplete string, or the end of the data
                self._require_more(row)
                continue
            size += 1

    def _scalar_size(self, row: int | None) -> int:
        while True:
            if self._data[self._at : self._at + 1] == b'"':
                match = _STRING.match(self._data, self._at)
            else:
                match = _WORD.match(self._data, self._at)
                if match and match.end() == len(self._data):
                    match = None  # the word may continue in unread data
            if match:
                return match.end() - self._at
            self._require_more(row)

    def _require_more(self, row: int | None) -> None:
        _check_size(len(self._data) - self._at, row, self._limits)
        if not self._read_more():
            where = "a member" if row is None else f"element {row:,}"
            message = f"the file ends within {where}: it was cut off, or a quote or bracket"
            raise _damaged(f"{message} is not closed", row)

    def _read_more(self) -> bool:
        # Double the data each time, so that a long element is not copied again and again.
        block = self._stream.read(max(_READ_BYTES, len(self._data) - self._at))
        self._data = self._data[self._at :] + block
        self._at = 0
        return bool(block)


def _check_is_text(start: bytes) -> None:
    if b"\0" in start[:4]:
        raise _damaged(
            "the file begins with NUL characters, so it is not JSON text; if it is UTF-16 without "
            "a byte order mark, give the encoding utf-16-le or utf-16-be"
        )


def _check_is_line(data: bytes) -> None:
    if data == b"{":
        raise _damaged(
            f"the first line is {data.decode()!r} alone, so it is not JSON Lines; "
            "give the format json, which reads objects of several lines"
        )
    if data.startswith(b"[") and not is_json(data):
        raise _damaged(
            "the first line begins with '[': the file is a JSON array; give the format json"
        )


def is_json(data: bytes) -> bool:
    """Tell whether the data are one JSON document."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _check_size(size: int, row: int | None, limits: Limits) -> None:
    if size > limits.max_row_bytes:
        subject = "a member beside the rows" if row is None else f"row {row:,}"
        raise SourceProblemError(row_too_large(limits, row, subject=subject))


def _damaged(message: str, row: int | None = None) -> SourceProblemError:
    return SourceProblemError(Problem("not_json", message, row))
