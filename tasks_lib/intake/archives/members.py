"""Unpack and verify the members of a ZIP archive, and never more bytes than the directory says."""

import bz2
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice
from typing import Final, Protocol

from tasks_lib.domain.content_types import START_BYTES, content_type_of
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import visible
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.archives.archive_directory import HEADER_BYTES, MAX_PROBLEMS, Entry, damaged

CHUNK_BYTES: Final = 2**20
MAX_BYTES_AT_ONCE: Final = 4 * 2**20
"""Larger contents are not kept in memory."""

_FEED_BYTES: Final = 2**18
_RATIO_FREE_BYTES: Final = 2**20
_HEADER: Final = struct.Struct("<4s2x2H16x2H")
"""Signature, flags, method, and the sizes of the name and the extra field that follow."""

_MEMBER: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 1
_METHODS: Final = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 10: "PKWARE Implode", 14: "LZMA", 20: "Zstandard",
    93: "Zstandard", 94: "MP3", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Content:
    """A member that was read: size in bytes, SHA-256 in hexadecimal digits.

    ``data`` is the content, or for a large member a function that reads it again, in chunks.
    """

    entry: Entry
    size: int
    sha256: str
    content_type: str
    data: bytes | Callable[[], Iterator[bytes]]


def read_content(
    entry: Entry, chunks: Iterator[bytes], again: Callable[[], Iterator[bytes]]
) -> Content:
    """Read a member to its end; for a large one, ``again`` is the content's ``data``."""
    kept: list[bytes] | None = [] if entry.size <= MAX_BYTES_AT_ONCE else None
    digest, start = sha256(), b""
    for chunk in chunks:
        digest.update(chunk)
        if len(start) < START_BYTES:
            start += chunk[: START_BYTES - len(start)]
        if kept is not None:
            kept.append(chunk)
    data = again if kept is None else b"".join(kept)
    return Content(entry, entry.size, digest.hexdigest(), content_type_of(start), data)


def unpack(entry: Entry, pieces: Iterator[bytes | memoryview], limits: Limits) -> Iterator[bytes]:
    """Yield a member's content in chunks of at most 1 MiB.

    ``pieces`` is the file from the member's header on; the first contains the whole header. Raises
    SourceProblemError as soon as anything is wrong, at the latest after the last chunk.
    """
    unpacker = _UNPACKERS[entry.method]()
    size = crc = 0
    for piece in _packed(entry, pieces):
        for chunk in _feed(entry, unpacker, piece, size):
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            _check_size(entry, size, limits)
            yield chunk
    if not unpacker.is_at_end:
        raise damaged(entry, "its packed data ends too early, or too late")
    if size < entry.size:
        raise damaged(entry, f"it has {size:,} bytes, not {entry.size:,}")
    if crc != entry.crc:
        raise damaged(entry, "its checksum does not fit")


def check_methods(entries: Iterable[Entry]) -> None:
    """Raise SourceProblemError for members with an unsupported compression."""
    unknown = (entry for entry in entries if entry.method not in _UNPACKERS)
    problems = [_unsupported(entry) for entry in islice(unknown, MAX_PROBLEMS)]
    if problems:
        raise SourceProblemError(*problems)


def _unsupported(entry: Entry) -> Problem:
    name = _METHODS.get(entry.method, f"method {entry.method}")
    message = (
        f"member {visible(entry.path)} is compressed with {name}; "
        "create the archive with deflate, which every program supports"
    )
    return Problem("unsupported_compression", message)


def _feed(entry: Entry, unpacker: "_Unpacker", piece: memoryview, size: int) -> Iterator[bytes]:
    """Yield the unpacked bytes of a piece; at most one byte more than the directory says."""
    try:
        unpacker.feed(piece)
        while chunk := unpacker.unpack(min(CHUNK_BYTES, entry.size - size + 1)):
            yield chunk
            size += len(chunk)
    except (zlib.error, OSError, ValueError) as error:
        raise damaged(entry, f"its packed data is not valid ({error})") from None


def _check_size(entry: Entry, size: int, limits: Limits) -> None:
    if size > entry.size:
        raise damaged(entry, f"it has more than the {entry.size:,} bytes that were claimed")
    if size > _RATIO_FREE_BYTES and size > limits.max_archive_ratio * entry.packed_size:
        message = (
            f"member {visible(entry.path)} unpacks to more than {limits.max_archive_ratio:,} "
            "times its size, which looks like an attack; if it is not, raise "
            "SEEDING_MAX_ARCHIVE_RATIO"
        )
        raise SourceProblemError(Problem("ratio_too_high", message))


def _packed(entry: Entry, pieces: Iterator[bytes | memoryview]) -> Iterator[memoryview]:
    """Yield a member's packed data, without its header."""
    first = memoryview(next(pieces))
    left = entry.packed_size
    for piece in chain([first[_header_bytes(entry, first) :]], pieces):
        data = memoryview(piece)[:left]
        left -= len(data)
        for at in range(0, len(data), _FEED_BYTES):
            yield data[at : at + _FEED_BYTES]


def _header_bytes(entry: Entry, data: memoryview) -> int:
    """Return the size of a member's own header; raise SourceProblemError if it is no header.

    Its sizes and checksum are ignored, as they may follow the data.
    """
    signature, flags, method, name, extra = _HEADER.unpack(data[:HEADER_BYTES])
    if signature != _MEMBER:
        raise damaged(entry, "there is no member where the directory says")
    packed_name = bytes(data[HEADER_BYTES : HEADER_BYTES + name])
    if packed_name != entry.packed_name or method != entry.method or flags & _ENCRYPTED:
        raise damaged(entry, "its header says something else than the directory")
    length: int = HEADER_BYTES + name + extra
    if entry.offset + length + entry.packed_size > entry.end:
        raise damaged(entry, "it overlaps with what follows it")
    return length


class _Unpacker(Protocol):
    """Unpacks the data that it is fed; ``unpack`` returns no bytes when it needs more."""

    @property
    def is_at_end(self) -> bool: ...

    def feed(self, data: memoryview) -> None: ...

    def unpack(self, max_bytes: int) -> bytes: ...


class _Stored:
    is_at_end: Final = True

    def __init__(self) -> None:
        self._rest = memoryview(b"")

    def feed(self, data: memoryview) -> None:
        self._rest = data

    def unpack(self, max_bytes: int) -> bytes:
        chunk, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        return bytes(chunk)


class _Deflated:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._rest: bytes | memoryview = b""

    @property
    def is_at_end(self) -> bool:
        return self._stream.eof and not self._stream.unused_data

    def feed(self, data: memoryview) -> None:
        self._rest = data

    def unpack(self, max_bytes: int) -> bytes:
        chunk = self._stream.decompress(self._rest, max_bytes)
        self._rest = self._stream.unconsumed_tail
        return chunk


class _Bzip2ed:
    def __init__(self) -> None:
        self._stream = bz2.BZ2Decompressor()
        self._rest: bytes | memoryview = b""

    @property
    def is_at_end(self) -> bool:
        return self._stream.eof and not self._stream.unused_data and not self._rest

    def feed(self, data: memoryview) -> None:
        self._rest = data

    def unpack(self, max_bytes: int) -> bytes:
        if self._stream.eof:
            return b""
        data, self._rest = self._rest, b""
        return self._stream.decompress(data, max_bytes)


_UNPACKERS: Final[dict[int, Callable[[], _Unpacker]]] = {0: _Stored, 8: _Deflated, 12: _Bzip2ed}
