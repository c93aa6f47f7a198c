"""Read JSON objects one by one: from JSON Lines, or from one array of any size.

A file is cut into rows by line ends, or by brackets and quotes, so that only one row is in memory.
``json_objects`` then reads each row.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import orjson

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import did_you_mean
from tasks_lib.errors import Problem, SourceProblemError, UsageError
from tasks_lib.intake.csv_files.encodings import ByteReader
from tasks_lib.intake.datasets.json_data import BLANKS, READ_BYTES, JsonData, check_size, damaged

_STEP: Final = re.compile(r"\.?([^.\[\]'\"$]+)|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_HINT_DEPTH: Final = 2


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
        check_size(len(line), row + 1, limits)
        data = line.strip(BLANKS)
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
    data = JsonData(stream, limits)
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
        raise damaged(f"the {what} is followed by {data.shown()}")


def _objects(data: JsonData) -> Iterator[JsonRecord]:
    row = 0
    while data.next_byte():
        if data.next_byte() != b"{":
            raise damaged(f"object {row:,} is followed by {data.shown()}, not by an object")
        row += 1
        element = data.element(row)
        if row == 1:
            _check_is_text(element)
        yield JsonRecord(row, element)


def find_arrays(stream: ByteReader, limits: Limits) -> list[str]:
    """Return which members of the file's one object hold arrays of objects, as paths of names."""
    found: list[str] = []
    with suppress(SourceProblemError):  # the arrays before the damage are still a hint
        _collect_arrays(JsonData(stream, limits), "", found)
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


def _enter_member(data: JsonData, records: Sequence[str], depth: int) -> None:
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
        raise damaged(f"a member is followed by {data.shown()}: expected a comma or a brace")
    path = ".".join(records[: depth + 1])
    hint = did_you_mean(records[depth], names) or f"; its members are {', '.join(names[:10])}"
    message = f"the file has no member {path!r}{hint if names else ''}"
    raise SourceProblemError(Problem("records_not_found", message))


def _leave_object(data: JsonData, name: str) -> None:
    """Skip the members after the one that was entered; it must not occur twice."""
    while data.next_byte() == b",":
        data.take()
        if data.key() == name:
            raise damaged(f"the member {name!r} occurs twice, so that one of them would be lost")
        data.skip()
    if data.next_byte() != b"}":
        raise damaged(f"a member is followed by {data.shown()}: the file was cut off, or damaged")
    data.take()


def _collect_arrays(data: JsonData, prefix: str, found: list[str]) -> None:
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


def _no_array(data: JsonData, records: Sequence[str]) -> SourceProblemError:
    if not records:
        return damaged(f"the file is not a JSON array: it begins with {data.shown()}")
    path = ".".join(records)
    message = f"the member {path!r} of the file is no list of rows: it begins with {data.shown()}"
    return SourceProblemError(Problem("records_not_found", message))


def _lines(stream: ByteReader, max_bytes: int) -> Iterator[bytes]:
    """Yield the lines; the last one is incomplete if it is too long."""
    parts: list[bytes] = []
    size = 0
    while size <= max_bytes and (block := stream.read(READ_BYTES)):
        first, *others = block.split(b"\n")
        parts.append(first)
        size += len(first)
        if others:
            yield b"".join(parts)
            yield from others[:-1]
            parts, size = [others[-1]], len(others[-1])
    yield b"".join(parts)


def _check_is_text(start: bytes) -> None:
    if b"\0" in start[:4]:
        raise damaged(
            "the file begins with NUL characters, so it is not JSON text; if it is UTF-16 without "
            "a byte order mark, give the encoding utf-16-le or utf-16-be"
        )


def _check_is_line(data: bytes) -> None:
    if data == b"{":
        raise damaged(
            f"the first line is {data.decode()!r} alone, so it is not JSON Lines; "
            "give the format json, which reads objects of several lines"
        )
    if data.startswith(b"[") and not is_json(data):
        raise damaged(
            "the first line begins with '[': the file is a JSON array; give the format json"
        )


def is_json(data: bytes) -> bool:
    """Tell whether the data are one JSON document."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True
