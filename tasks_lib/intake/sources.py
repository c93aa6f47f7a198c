"""Open a source by path or URL: a local file that can be read again, with its SHA-256.

A plain local file is read where it lies. Anything remote or gzipped is first copied, unpacked, to a
temporary file, so that a slow network never holds a database transaction open.
"""

import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from tasks_lib.domain.names import display_name
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.transports import explained, filesystem_of, local_path

_COPY_BYTES: Final = 2**20
_START_BYTES: Final = 2**16
_ZIP_STARTS: Final = (b"PK\x03\x04", b"PK\x05\x06")
"""Of a ZIP's first member; of the directory, where there is none."""


class SourceFile(NamedTuple):
    """A source as a local file: what was named, where it lies, and what is in it."""

    uri: str
    path: Path
    size: int
    sha256: str
    modified_ns: int

    def check_unchanged(self) -> None:
        """Raise SourceProblemError when the file is no longer the one that was hashed."""
        with explained(self.uri):
            now = self.path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified_ns):
            message = f"{self.uri} was changed while it was being read; try again when it is whole"
            raise SourceProblemError(Problem("source_changed", message))


def fetch(uri: str, folder: Path, limits: Limits) -> SourceFile:
    """Return ``uri`` as a local file, hashed after unpacking; a copy, if needed, is in ``folder``.

    Raises SourceProblemError where the source is at fault, StorageUnavailableError where the way
    to it is.
    """
    with explained(uri):
        path = local_path(uri)
        if path is None or is_gzip(uri):
            path = folder / "source"
            _copy(uri, path, limits)
        return _hashed(uri, path, limits)


def is_zip(uri: str) -> bool:
    """Tell by its first bytes whether a source is a ZIP; raise as ``fetch`` does."""
    with explained(uri):
        filesystem, path = filesystem_of(uri)
        with filesystem.open(path, "rb", block_size=_START_BYTES) as file:
            return bytes(file.read(len(_ZIP_STARTS[0]))) in _ZIP_STARTS


def is_gzip(uri: str) -> bool:
    """Tell by its suffix whether a source is gzipped."""
    return display_name(uri).lower().endswith(".gz")


def _copy(uri: str, target: Path, limits: Limits) -> None:
    filesystem, path = filesystem_of(uri)
    with filesystem.open(path, "rb") as remote, target.open("wb") as local:
        if not is_gzip(uri):
            _copy_bounded(remote, local, uri, limits)
            return
        try:
            with gzip.GzipFile(fileobj=remote) as unpacked:
                _copy_bounded(unpacked, local, uri, limits)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            message = f"{uri} is not a complete gzip file: {error}"
            raise SourceProblemError(Problem("damaged_gzip", message)) from None


def _copy_bounded(
    reader: BinaryIO | gzip.GzipFile, writer: BinaryIO, uri: str, limits: Limits
) -> None:
    copied = 0
    while block := reader.read(_COPY_BYTES):
        copied += len(block)
        if copied > limits.max_source_bytes:
            raise _too_large(uri, limits)
        writer.write(block)


def _hashed(uri: str, path: Path, limits: Limits) -> SourceFile:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if found.st_size > limits.max_source_bytes:
            raise _too_large(uri, limits)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SourceFile(uri, path, found.st_size, digest, found.st_mtime_ns)


def _too_large(uri: str, limits: Limits) -> SourceProblemError:
    message = (
        f"{uri} is larger than {limits.max_source_bytes:,} bytes; "
        "split it, or raise SEEDING_MAX_SOURCE_BYTES"
    )
    return SourceProblemError(Problem("source_too_large", message))
