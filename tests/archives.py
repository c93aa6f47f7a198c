"""ZIP archives for tests: made by zipfile, or byte by byte where no tool makes them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import SourceProblemError
from tasks_lib.intake.archives.archives import Archive

STORED, DEFLATED, BZIP2 = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2
UTF8_FLAG = 0x800
ENCRYPTED_FLAG = 0x1
SYMBOLIC_LINK = 0o120777 << 16
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(range(256))
URI = "archive.zip"


class MemoryRanges:
    """A file in memory that records the ranges that are read."""

    def __init__(self, data: bytes, uri: str = URI) -> None:
        self.uri = uri
        self.size = len(data)
        self.reads: list[tuple[int, int]] = []
        self._data = data

    def read(self, start: int, end: int) -> bytes:
        assert 0 <= start <= end <= self.size
        self.reads.append((start, end))
        return self._data[start:end]

    def check_unchanged(self) -> None:
        pass


def zip_of(
    members: Mapping[str, bytes | str], method: int = DEFLATED, comment: bytes = b""
) -> bytes:
    """Make an archive with Python's zipfile; a path that ends in ``/`` makes a folder."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.comment = comment
        for path, content in members.items():
            member = zipfile.ZipInfo(path, date_time=(2026, 1, 2, 3, 4, 6))
            archive.writestr(member, content, compress_type=method)
    return target.getvalue()


@dataclass(frozen=True, kw_only=True)
class RawMember:
    """A member whose metadata may be wrong; members that are None get the correct value."""

    name: bytes = b"a.txt"
    content: bytes = b"content"
    packed: bytes | None = None
    method: int = STORED
    flags: int = 0
    attributes: int = 0
    extra: bytes = b""
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    offset: int | None = None
    before: bytes = b""
    header_name: bytes | None = None
    header_flags: int | None = None
    header_method: int | None = None
    header_extra: bytes = b""
    header_sizes: tuple[int, int, int] | None = None
    after: bytes = b""


class End(NamedTuple):
    """The end record of an archive; members that are None get the correct value."""

    entries: int | None = None
    directory_size: int | None = None
    directory_at: int | None = None
    comment: bytes = b""
    part: int = 0
    is_zip64: bool = False


def raw_zip(*members: RawMember, end: End = End(), prefix: bytes = b"") -> bytes:  # noqa: B008
    """Make an archive byte by byte."""
    body, directory = b"", b""
    for member in members:
        body += member.before
        offset = len(body) if member.offset is None else member.offset
        body += _header(member) + _packed(member) + member.after
        directory += _directory_entry(member, offset)
    return prefix + body + directory + _end(end, len(members), directory, len(body))


def deflate(content: bytes) -> bytes:
    """Pack the content with deflate."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def open_archive(data: bytes, limits: Limits = Limits()) -> Archive:  # noqa: B008
    """Open the archive in these bytes."""
    return Archive(MemoryRanges(data), limits)


def contents_of(archive: Archive) -> dict[str, bytes]:
    """Return the contents of all members of an archive, by path."""
    batches = list(archive.batches(archive.entries.values()))
    return {
        content.entry.path: (
            content.data if isinstance(content.data, bytes) else b"".join(content.data())
        )
        for batch in batches
        for content in batch
    }


def problems_of(data: bytes, limits: Limits = Limits()) -> list[tuple[str, str]]:  # noqa: B008
    """Return the codes and messages with which an archive is refused, at once or during reading."""
    with pytest.raises(SourceProblemError) as caught:
        contents_of(open_archive(data, limits))
    return [(problem.code, problem.message) for problem in caught.value.problems]


def _packed(member: RawMember) -> bytes:
    if member.packed is not None:
        return member.packed
    return deflate(member.content) if member.method == DEFLATED else member.content


def _sizes(member: RawMember) -> Sequence[int]:
    stated = (member.crc, member.packed_size, member.size)
    correct = (zlib.crc32(member.content), len(_packed(member)), len(member.content))
    return [right if lie is None else lie for lie, right in zip(stated, correct, strict=True)]


def _header(member: RawMember) -> bytes:
    name = member.name if member.header_name is None else member.header_name
    flags = member.flags if member.header_flags is None else member.header_flags
    method = member.method if member.header_method is None else member.header_method
    sizes = _sizes(member) if member.header_sizes is None else member.header_sizes
    lengths = len(name), len(member.header_extra)
    clipped = [min(size, 0xFFFFFFFF) for size in sizes]
    fields = struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, *clipped, *lengths)
    return fields + name + member.header_extra


def _directory_entry(member: RawMember, offset: int) -> bytes:
    lengths = len(member.name), len(member.extra), 0
    fields = struct.pack(
        "<4s6H3L5H2L",
        *(b"PK\1\2", 0x0314, 20, member.flags, member.method, 0, 33),
        *(*_sizes(member), *lengths, 0, 0, member.attributes, offset),
    )
    return fields + member.name + member.extra


def _end(end: End, entries: int, directory: bytes, directory_at: int) -> bytes:
    stated = (end.entries, end.directory_size, end.directory_at)
    correct = (entries, len(directory), directory_at)
    count, size, at = (
        right if lie is None else lie for lie, right in zip(stated, correct, strict=True)
    )
    record = b""
    if end.is_zip64:
        place = directory_at + len(directory)
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, at)
        record += struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
        count, size, at = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
    fields = (end.part, end.part, count, count, size, at, len(end.comment))
    return record + struct.pack("<4s4H2LH", b"PK\5\6", *fields) + end.comment
