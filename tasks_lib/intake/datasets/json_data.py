"""The bytes of a JSON file of any size, of which one element at a time is in memory."""

import re
from typing import Final

import orjson

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.csv_files.encodings import ByteReader
from tasks_lib.intake.rows.limit_problems import row_too_large

READ_BYTES: Final = 2**20
BLANKS: Final = b" \t\r\n"
_OPENING: Final = frozenset({b"{", b"["})
_CLOSING: Final = frozenset({b"}", b"]"})
_BLANK: Final = re.compile(rb"[ \t\r\n]*+")
_QUOTED: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING: Final = re.compile(_QUOTED, re.DOTALL)
_WORD: Final = re.compile(rb'[^ \t\r\n,"\[\]{}]*+')
_UP_TO_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|' + _QUOTED + rb")*+", re.DOTALL)
_HINT_BYTES: Final = 64


class JsonData:
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
            raise damaged(f"the file ends after element {row:,}: it was cut off")
        if byte != b",":
            message = f"element {row:,} is followed by {self.shown()}, not by a comma or bracket"
            raise damaged(message)
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
            raise damaged(f"a member begins with {self.shown()}, not with its name")
        size = self._scalar_size(None)
        try:
            name = str(orjson.loads(self._data[self._at : self._at + size]))
        except orjson.JSONDecodeError:
            raise damaged("the name of a member is not a JSON string") from None
        self._at += size
        if self.next_byte() != b":":
            raise damaged(f"the name {name!r} is followed by {self.shown()}, not by a colon")
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
        start = self._data[at + 1 : at + 1 + _HINT_BYTES].lstrip(BLANKS)
        return start.startswith(b"{")

    def element(self, row: int) -> bytes:
        """Consume and return one JSON value."""
        first = self.next_byte()
        if first in {b",", *_CLOSING}:
            raise damaged(f"element {row:,} is missing: found {self.shown()}", row)
        size = self._container_size(row) if first in _OPENING else self._scalar_size(row)
        check_size(size, row, self._limits)
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
        check_size(len(self._data) - self._at, row, self._limits)
        if not self._read_more():
            where = "a member" if row is None else f"element {row:,}"
            message = f"the file ends within {where}: it was cut off, or a quote or bracket"
            raise damaged(f"{message} is not closed", row)

    def _read_more(self) -> bool:
        # Double the data each time, so that a long element is not copied again and again.
        block = self._stream.read(max(READ_BYTES, len(self._data) - self._at))
        self._data = self._data[self._at :] + block
        self._at = 0
        return bool(block)


def check_size(size: int, row: int | None, limits: Limits) -> None:
    """Raise SourceProblemError if a row, or with None a member beside the rows, is too long."""
    if size > limits.max_row_bytes:
        subject = "a member beside the rows" if row is None else f"row {row:,}"
        raise SourceProblemError(row_too_large(limits, row, subject=subject))


def damaged(message: str, row: int | None = None) -> SourceProblemError:
    """Return the error of a file that is not JSON."""
    return SourceProblemError(Problem("not_json", message, row))
