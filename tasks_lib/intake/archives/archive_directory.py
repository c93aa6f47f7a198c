"""Read the directory of a ZIP archive, and reject members that are unsafe to unpack.

The standard library parses the directory; this module checks the result and keeps it in less
memory. The data of members is not read.
"""

import stat
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tasks_lib.domain.content_types import START_BYTES, content_type_of
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import visible
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.archives.archive_paths import (
    UnsafePathError,
    canonical,
    check_visible,
    is_junk,
)
from tasks_lib.intake.csv_files.encodings import canonical_encoding
from tasks_lib.transport.ranges import RangeFile

HEADER_BYTES: Final = 30
"""The size of a member's local header before its name."""

MAX_PROBLEMS: Final = 100
_TAIL_BYTES: Final = 2**18
_END_BYTES: Final = 22
_MAX_END_BYTES: Final = 2**16 + _END_BYTES
_ENTRY_BYTES: Final = 2**10
"""More than the mean size of an entry, even with long names and extra fields."""

_END: Final = b"PK\x05\x06"
_DIRECTORY_ENTRY: Final = b"PK\x01\x02"
_BEGINNINGS: Final = (b"PK\x03\x04", b"PK\x07\x08")
_UTF8_NAME: Final = 1 << 11
_ENCRYPTED: Final = 1 << 0 | 1 << 6 | 1 << 13
_UNICODE_PATH: Final = 0x7075
_UNREADABLE: Final = (
    zipfile.BadZipFile, NotImplementedError, EOFError, LookupError, OverflowError, ValueError,
    struct.error,
)  # fmt: skip
"""The errors of zipfile for hostile bytes; UnicodeDecodeError is a ValueError."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as the directory describes it; sizes are in bytes, and not verified.

    ``path`` is canonical, ``name`` its last part as written in the archive. ``end`` is where
    something else begins at the latest, ``packed_name`` the whole name's bytes. With ``is_guessed``
    their code page is a guess.
    """

    path: str
    name: str
    size: int
    packed_size: int
    offset: int
    end: int
    crc: int
    method: int
    packed_name: bytes
    is_guessed: bool = False


def is_archive(file: RangeFile) -> bool:
    """Tell by its beginning and its end whether a file is a ZIP; something may precede it."""
    start = file.read(0, min(file.size, len(_END)))
    return start in _BEGINNINGS or _end_in(_read_tail(file)) is not None


def read_directory(file: RangeFile, limits: Limits, names_encoding: str = "") -> dict[str, Entry]:
    """Return the members by their canonical path, without folders and junk.

    ``names_encoding`` is that of names that do not say theirs; without it they are UTF-8 or else in
    code page 437.

    Raises SourceProblemError with a problem for each unsafe member, 100 at most.
    """
    encoding = canonical_encoding(names_encoding) if names_encoding else ""
    tail = _read_tail(file)
    at = _end_in(tail)
    if at is None:
        raise SourceProblemError(_why_no_archive(file))
    end = tail[at : at + _END_BYTES]
    _check_is_one_file(file, end)
    try:
        # The archive needs no close: zipfile closes only files that it opened.
        archive = zipfile.ZipFile(_Window(file, tail, at, limits))
    except _UNREADABLE as error:
        raise SourceProblemError(_damaged_directory(file, str(error))) from None
    members = archive.infolist()
    _check_is_whole(file, end, len(members))
    _check_number(len(members), limits)
    return _check_entries(members, archive.start_dir, limits, encoding)


def _read_tail(file: RangeFile) -> bytes:
    return file.read(max(0, file.size - _TAIL_BYTES), file.size)


def _end_in(tail: bytes) -> int | None:
    """Return the position of the record at an archive's end, or None.

    It is the last one whose comment ends with the file; where none does, because something follows
    or the comment was cut off, the last one.
    """
    candidates = list[int]()
    at = len(tail) - _END_BYTES + len(_END)
    while (at := tail.rfind(_END, -_MAX_END_BYTES, max(at, 0))) >= 0:
        (comment_bytes,) = struct.unpack_from("<H", tail, at + _END_BYTES - 2)
        if at + _END_BYTES + comment_bytes == len(tail):
            return at
        candidates.append(at)
        at += len(_END) - 1
    return candidates[0] if candidates else None


class _Window:
    """The file for zipfile: its end from memory, and no directory beyond the limit.

    It ends with the record at the archive's end, less its comment: zipfile would look for that
    record in the comment, too.
    """

    def __init__(self, file: RangeFile, tail: bytes, end_at: int, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._tail = tail[: end_at + _END_BYTES - 2] + b"\0\0"
        self._tail_at = file.size - len(tail)
        self._size = self._tail_at + len(self._tail)
        self._at = 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        target = offset + (0, self._at, self._size)[whence]
        if target < 0:
            raise OSError("before the beginning of the file")
        self._at = min(target, self._size)
        return self._at

    def read(self, size: int = -1) -> bytes:
        start, rest = self._at, self._size - self._at
        self._at += rest if size < 0 else min(size, rest)
        if self._at - start > _ENTRY_BYTES * self._limits.max_archive_entries + _TAIL_BYTES:
            raise _too_many(f"a directory of {self._at - start:,} bytes", self._limits)
        data = self._read(start, self._at)
        # zipfile makes an object for each entry, and there may be far too many.
        if data.startswith(_DIRECTORY_ENTRY):
            _check_number(_entries_in(data), self._limits)
        return data

    def _read(self, start: int, end: int) -> bytes:
        if start >= self._tail_at:
            return self._tail[start - self._tail_at : end - self._tail_at]
        return self._file.read(start, end)


def _entries_in(directory: bytes) -> int:
    count = at = 0
    while directory.startswith(_DIRECTORY_ENTRY, at) and at + 46 <= len(directory):
        at += 46 + sum(struct.unpack_from("<3H", directory, at + 28))
        count += 1
    return count


def _check_number(entries: int, limits: Limits) -> None:
    if entries > limits.max_archive_entries:
        raise _too_many(f"{entries:,} entries", limits)


def _too_many(content: str, limits: Limits) -> SourceProblemError:
    message = (
        f"the archive has {content}, {limits.max_archive_entries:,} entries are allowed; "
        "split it, or raise SEEDING_MAX_ARCHIVE_ENTRIES"
    )
    return SourceProblemError(Problem("too_many_entries", message))


def _why_no_archive(file: RangeFile) -> Problem:
    start = file.read(0, min(file.size, START_BYTES))
    if start.startswith(_BEGINNINGS):
        message = (
            f"{file.uri} begins as a ZIP archive and has no end; it was cut off, or is one of "
            "several parts: copy or download it again, as a whole"
        )
        return Problem("damaged_archive", message)
    reason = f"looks like {content_type_of(start)}" if start else "is empty"
    message = f"{file.uri} is not a ZIP archive: it {reason}; pack the CSV and its files as a ZIP"
    return Problem("not_zip", message)


def _check_is_one_file(file: RangeFile, end: bytes) -> None:
    part = int.from_bytes(end[4:6], "little")
    if part not in {0, 0xFFFF}:
        message = (
            f"{file.uri} is part {part + 1:,} of an archive in several files; "
            "make it one file first, with: zip -s 0 PARTS.zip --out WHOLE.zip"
        )
        raise SourceProblemError(Problem("damaged_archive", message))


def _check_is_whole(file: RangeFile, end: bytes, count: int) -> None:
    """Raise SourceProblemError unless the directory has as many entries as the archive's end says.

    zipfile ignores that number. It has 16 bits; a larger number is in another record.
    """
    (expected,) = struct.unpack_from("<H", end, 10)
    if expected not in {count & 0xFFFF, 0xFFFF}:
        noun = "entry" if expected == 1 else "entries"
        reason = f"it should hold {expected:,} {noun}, and holds {count:,}"
        raise SourceProblemError(_damaged_directory(file, reason))


def _damaged_directory(file: RangeFile, reason: str) -> Problem:
    message = f"the directory of {file.uri} is damaged ({reason}); create the archive again"
    return Problem("damaged_archive", message)


def _check_entries(
    members: Sequence[zipfile.ZipInfo], directory_at: int, limits: Limits, encoding: str
) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    for member, end in _with_ends(members, directory_at):
        try:
            entry = _entry(member, end, encoding)
            if entry is not None:
                _check_new(entry, entries)
                entries[entry.path] = entry
        except SourceProblemError as problem:
            problems.extend(problem.problems)
            if len(problems) == MAX_PROBLEMS:
                break
    if problems:
        raise SourceProblemError(*problems)
    _check_size(sum(entry.size for entry in entries.values()), limits)
    return entries


def _with_ends(
    members: Sequence[zipfile.ZipInfo], directory_at: int
) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    """Yield each member with the position of the next one, or of the directory."""
    offsets = sorted({member.header_offset for member in members})
    offsets.append(directory_at)
    seen: set[int] = set()
    for member in members:
        is_shared = member.header_offset in seen
        seen.add(member.header_offset)
        after = offsets[bisect_right(offsets, member.header_offset, hi=len(offsets) - 1)]
        yield member, member.header_offset if is_shared else min(after, directory_at)


def _entry(member: zipfile.ZipInfo, end: int, encoding: str) -> Entry | None:
    """Return the entry of a member; None for a folder or junk. Raises SourceProblemError."""
    packed_name = member.orig_filename.encode(_encoding_of(member))
    name = _name_of(member, packed_name, encoding)
    if name.endswith(("/", "\\")):
        return None
    path = _path_of(name)
    if is_junk(path):
        return None
    _check_path(path, name)
    _check_kind(member, name)
    entry = Entry(
        path=path,
        name=name.replace("\\", "/").rpartition("/")[2],
        size=member.file_size,
        packed_size=member.compress_size,
        offset=member.header_offset,
        end=end,
        crc=member.CRC,
        method=member.compress_type,
        packed_name=packed_name,
        is_guessed=not encoding and _is_guessed(member, packed_name, name),
    )
    if not 0 <= entry.offset <= end - HEADER_BYTES - len(packed_name) - entry.packed_size:
        raise damaged(entry, "it overlaps with what follows it")
    return entry


def damaged(entry: Entry, reason: str) -> SourceProblemError:
    """Return the error for a member that contradicts the directory."""
    message = f"the archive is damaged at {visible(entry.path)}: {reason}; create the archive again"
    return SourceProblemError(Problem("damaged_archive", message))


def _path_of(name: str) -> str:
    try:
        return canonical(name)
    except UnsafePathError as reason:
        raise _unsafe(name, reason) from None


def _check_path(path: str, name: str) -> None:
    try:
        check_visible(path)
    except UnsafePathError as reason:
        raise _unsafe(name, reason) from None


def _unsafe(name: str, reason: UnsafePathError) -> SourceProblemError:
    message = f"the path of member {visible(name)} {reason}; rename it, or leave it out"
    return SourceProblemError(Problem("unsafe_path", message))


def _check_kind(member: zipfile.ZipInfo, name: str) -> None:
    if stat.S_ISLNK(member.external_attr >> 16):
        message = (
            f"member {visible(name)} is a symbolic link; pack the file itself, or leave it out"
        )
        raise SourceProblemError(Problem("symbolic_link", message))
    if member.flag_bits & _ENCRYPTED:
        message = f"member {visible(name)} is encrypted; create the archive without a password"
        raise SourceProblemError(Problem("encrypted_member", message))


def _check_new(entry: Entry, entries: dict[str, Entry]) -> None:
    if entry.path in entries:
        message = f"two members have the path {visible(entry.path)}; leave one of them out"
        raise SourceProblemError(Problem("duplicate_member", message))


def _check_size(unpacked: int, limits: Limits) -> None:
    if unpacked > limits.max_source_bytes:
        message = (
            f"the archive, unpacked, has {unpacked:,} bytes, {limits.max_source_bytes:,} are "
            "allowed; split it, or raise SEEDING_MAX_SOURCE_BYTES"
        )
        raise SourceProblemError(Problem("source_too_large", message))


def _encoding_of(member: zipfile.ZipInfo) -> str:
    return "utf-8" if member.flag_bits & _UTF8_NAME else "cp437"


def _name_of(member: zipfile.ZipInfo, packed_name: bytes, encoding: str) -> str:
    """Return a member's name as the program that packed it meant it.

    macOS packs UTF-8 names without saying so; hardly any text in code page 437 is valid UTF-8.
    """
    if encoding and not member.flag_bits & _UTF8_NAME:
        return _decoded_name(member, packed_name, encoding)
    for candidate in (_unicode_path(member.extra, packed_name), packed_name):
        try:
            if candidate is not None:
                return candidate.decode()
        except UnicodeDecodeError:
            continue
    return member.orig_filename


def _is_guessed(member: zipfile.ZipInfo, packed_name: bytes, name: str) -> bool:
    is_said = member.flag_bits & _UTF8_NAME or packed_name.isascii()
    return not is_said and name == member.orig_filename


def _decoded_name(member: zipfile.ZipInfo, packed_name: bytes, encoding: str) -> str:
    try:
        unicode_path = _unicode_path(member.extra, packed_name)
        return packed_name.decode(encoding) if unicode_path is None else unicode_path.decode()
    except UnicodeError:
        message = (
            f"the name of member {visible(member.orig_filename)} is not {encoding}; "
            "give another names_encoding, or none"
        )
        raise SourceProblemError(Problem("invalid_encoding", message)) from None


def _unicode_path(extra: bytes, packed_name: bytes) -> bytes | None:
    """Return Info-ZIP's Unicode spelling of a name, unless it belongs to another name."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        field = extra[4 : 4 + length]
        if kind == _UNICODE_PATH and len(field) > 5:
            version, crc = struct.unpack_from("<BL", field)
            if version == 1 and crc == zlib.crc32(packed_name):
                return field[5:]
        extra = extra[4 + length :]
    return None
