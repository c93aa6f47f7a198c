"""Fetch a source by path or URL: a local file that can be read again, with its SHA-256.

A plain local file is read in place. Anything else, such as a remote file, a gzipped one or a pipe,
is first copied, unpacked, to a temporary file: a slow network never holds a database transaction
open, and a pipe can be read only once.
"""

import gzip
import hashlib
import io
import os
import zlib
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, NoReturn, Protocol

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.transport.filesystems import (
    ask_source,
    is_stream,
    local_path,
    open_bytes,
    translate_errors,
)
from tasks_lib.transport.temporary import open_temporary

_COPY_BYTES: Final = 2**20
_GZIP_START: Final = b"\x1f\x8b\x08"


class SourceFile(NamedTuple):
    """A source as a local file: the URI that was given, its path, size in bytes and SHA-256."""

    uri: str
    path: Path
    size: int
    sha256: str
    modified_ns: int

    def check_unchanged(self) -> None:
        """Raise SourceProblemError if the file was changed since it was hashed."""
        with translate_errors(self.uri):
            now = self.path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified_ns):
            message = f"{self.uri} was changed while it was being read; try again when it is whole"
            raise SourceProblemError(Problem("source_changed", message))


def fetch(uri: str, folder: Path, limits: Limits) -> SourceFile:
    """Return ``uri`` as a local file, hashed after unpacking; copy it to ``folder`` if needed.

    Raises SourceProblemError if the source is wrong, StorageUnavailableError if it does not
    respond for ``limits.retry_seconds``, and TemporaryFilesError.
    """
    with translate_errors(uri):
        path = None if is_stream(uri) else local_path(uri)
        is_copied = path is None or _is_gzip(path)
    if path is None or is_copied:
        path = folder / "source"
        ask_source(uri, partial(_copy, uri, path, limits), seconds=limits.retry_seconds)
    with translate_errors(uri):
        return _hash(uri, path, limits)


def copy_stream(uri: str, folder: Path, limits: Limits) -> Path:
    """Copy a source that can be read only once to ``folder``, as it is; return the copy's path."""
    path = folder / "stream"
    with translate_errors(uri), open_bytes(uri) as stream, open_temporary(path) as local:
        _copy_bounded(stream, local, uri, limits)
    return path


class _Reader(Protocol):
    """An object that returns bytes."""

    def read(self, size: int, /) -> bytes: ...


class _Peeked:
    """A file whose first bytes have been read already."""

    def __init__(self, file: _Reader, size: int) -> None:
        self._file = file
        self.start = b""
        while len(self.start) < size and (more := file.read(size - len(self.start))):
            self.start += more
        self._left = self.start

    def read(self, size: int, /) -> bytes:
        part, self._left = self._left[:size], self._left[size:]
        return part or self._file.read(size)

    def seek(self, _: int, /) -> NoReturn:
        raise io.UnsupportedOperation


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_GZIP_START)) == _GZIP_START


def _copy(uri: str, target: Path, limits: Limits) -> None:
    """Copy a source, unpacked if its first bytes are those of gzip.

    Its name decides nothing: web servers unpack what they send, and programs forget the suffix.
    """
    with open_bytes(uri) as source, open_temporary(target) as local:
        peeked = _Peeked(source, len(_GZIP_START))
        if peeked.start != _GZIP_START:
            _copy_bounded(peeked, local, uri, limits)
            return
        try:
            with gzip.GzipFile(fileobj=peeked) as unpacked:
                _copy_bounded(unpacked, local, uri, limits)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            message = f"{uri} is not a complete gzip file: {error}"
            raise SourceProblemError(Problem("damaged_gzip", message)) from None


def _copy_bounded(reader: _Reader, writer: BinaryIO, uri: str, limits: Limits) -> None:
    copied = 0
    while block := reader.read(_COPY_BYTES):
        copied += len(block)
        if copied > limits.max_source_bytes:
            raise _too_large(uri, limits)
        writer.write(block)


def _hash(uri: str, path: Path, limits: Limits) -> SourceFile:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > limits.max_source_bytes:
            raise _too_large(uri, limits)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SourceFile(uri, path, status.st_size, digest, status.st_mtime_ns)


def _too_large(uri: str, limits: Limits) -> SourceProblemError:
    message = (
        f"{uri} is larger than {limits.max_source_bytes:,} bytes; "
        "split it, or raise SEEDING_MAX_SOURCE_BYTES"
    )
    return SourceProblemError(Problem("source_too_large", message))
