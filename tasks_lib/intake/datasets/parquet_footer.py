"""Read what the footer of a Parquet file says about its columns, before they are read.

Arrow knows it, too, but aborts the process when it is asked about a column and the footer is
damaged. The footer is a struct in Thrift's compact protocol; only the fields needed are kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tasks_lib.errors import Problem, SourceProblemError

_END_BYTES: Final = 8
_MAX_DEPTH: Final = 32
_BYTE_ARRAY: Final = 6
_FIXED_BYTES: Final = 7
_VALUE_BYTES: Final = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8}
"""Bytes of a value in memory, by physical type."""

_DICTIONARY: Final = frozenset({2, 8})
_DELTA: Final = frozenset({6, 7})
_SHARED_PREFIXES: Final = 7


class Chunk(NamedTuple):
    """The values of one column in one row group.

    ``path`` leads from the column of the table to the values; ``size`` is unpacked, in bytes.
    """

    path: tuple[str, ...]
    rows: int
    values: int
    size: int
    packed_size: int
    value_bytes: int
    encodings: frozenset[int]

    @property
    def holds_bytes(self) -> bool:
        """Whether the values are texts or bytes of any length."""
        return not self.value_bytes

    @property
    def is_repeated(self) -> bool:
        """Whether a row may hold several values."""
        return self.values > self.rows

    @property
    def has_dictionary(self) -> bool:
        """Whether texts are stored once and referred to, as far as Arrow can read them so."""
        return bool(self.encodings & _DICTIONARY) and not self.encodings & _DELTA

    @property
    def shares_prefixes(self) -> bool:
        """Whether a text is stored as its difference from the one before it."""
        return _SHARED_PREFIXES in self.encodings

    @property
    def unpacked_size(self) -> int:
        """The bytes that the values take in memory; at least, if they refer to a dictionary."""
        return max(self.size, self.values * self.value_bytes)


def read_row_groups(path: Path) -> Iterator[list[Chunk]]:
    """Yield the columns of each row group; raise SourceProblemError for a damaged footer."""
    with _refusing_damage():
        with path.open("rb") as file:
            size = file.seek(-_END_BYTES, 2)
            length = int.from_bytes(file.read(4), "little")
            file.seek(size - length)
            footer = _Reader(file.read(length))
        yield from _row_groups(footer)


def _row_groups(footer: "_Reader") -> Iterator[list[Chunk]]:
    widths: list[int] = []
    for field, kind in footer.fields():
        if field == 2:
            widths = [_value_bytes(element) for element in footer.items() if 1 in element]
        elif field == 4:
            for group in footer.items():
                yield [
                    _chunk(column[3], group[3], width)
                    for column, width in zip(group[1], widths, strict=True)
                ]
        else:
            footer.value(kind)


def _value_bytes(element: dict[int, Any]) -> int:
    kind = element[1]
    if kind == _FIXED_BYTES:
        return max(1, int(element[2]))
    return 0 if kind == _BYTE_ARRAY else _VALUE_BYTES[kind]


def _chunk(data: dict[int, Any], rows: int, value_bytes: int) -> Chunk:
    if min(rows, data[5], data[6], data[7]) < 0:
        raise ValueError("a size is negative")
    return Chunk(
        path=tuple(str(part, "utf-8") for part in data[3]),
        rows=rows,
        values=data[5],
        size=data[6],
        packed_size=data[7],
        value_bytes=value_bytes,
        encodings=frozenset(data[2]),
    )


@contextmanager
def _refusing_damage() -> Iterator[None]:
    try:
        yield
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError):
        raise SourceProblemError(damaged_footer()) from None


def damaged_footer() -> Problem:
    """Return the problem of a footer that contradicts itself, or breaks off."""
    message = "the file cannot be read as Parquet: its footer is damaged"
    return Problem("not_parquet", message)


class _Reader:
    """A position in data of Thrift's compact protocol."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._readers: dict[int, Callable[[int], Any]] = {
            3: lambda _: self._byte(),
            4: lambda _: self._whole(),
            5: lambda _: self._whole(),
            6: lambda _: self._whole(),
            7: lambda _: self._take(8),
            8: lambda _: self._take(self._varint()),
            9: self._list,
            10: self._list,
            11: self._map,
            12: self._struct,
            13: lambda _: self._take(16),
        }

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield the number and kind of each field of a struct; the caller reads its value."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._whole()
            yield number, head & 15

    def items(self) -> Iterator[Any]:
        """Yield the items of a list."""
        count, kind = self._list_head()
        for _ in range(count):
            yield self.value(kind)

    def value(self, kind: int, depth: int = 0) -> Any:
        """Return the next value, in which a struct is a dict by the number of the field."""
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deep")
        if kind in {1, 2}:  # the kind is the value
            return kind == 1
        return self._readers[kind](depth + 1)

    def _item(self, kind: int, depth: int) -> Any:
        return self._byte() == 1 if kind in {1, 2} else self.value(kind, depth)

    def _list(self, depth: int) -> list[Any]:
        count, kind = self._list_head()
        return [self._item(kind, depth) for _ in range(count)]

    def _map(self, depth: int) -> list[tuple[Any, Any]]:
        count = self._varint()
        kinds = self._byte() if count else 0
        return [
            (self._item(kinds >> 4, depth), self._item(kinds & 15, depth)) for _ in range(count)
        ]

    def _struct(self, depth: int) -> dict[int, Any]:
        return {number: self.value(kind, depth) for number, kind in self.fields()}

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        count = head >> 4
        return (self._varint() if count == 15 else count), head & 15

    def _byte(self) -> int:
        byte = self._data[self._at]
        self._at += 1
        return byte

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise ValueError("the data ends too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise ValueError("a number is too long")

    def _whole(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
