"""Read parts of a file where it lies, local or remote; the whole of it is never fetched.

What a server that ignores ranges sends is not read to its end.
"""

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from fsspec.utils import get_protocol

from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.errors import StorageUnavailableError
from tasks_lib.intake.attempts import Answer, keep_trying
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.transports import explained, filesystem_of, local_path

READS_AHEAD: Final = 4
_WEB: Final = frozenset({"http", "https"})
_TELLING_OF_CHANGES: Final = (
    "size", "ETag", "etag", "LastModified", "Last-Modified", "last_modified", "mtime",
    "VersionId", "generation", "Content-MD5", "Digest",
)  # fmt: skip
"""What fsspec's file systems call the marks of a file's version; none has all of them."""


class Range(NamedTuple):
    """The bytes from ``start`` up to ``end``, which is not one of them."""

    start: int
    end: int


class RangeFile(Protocol):
    """A file of which parts can be read, by several threads at once."""

    uri: str
    size: int

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` up to ``end``, which lies in the file; never fewer."""

    def check_unchanged(self) -> None:
        """Raise SourceProblemError when the file is no longer the one that was opened."""


@contextmanager
def open_ranges(uri: str, limits: Limits) -> Iterator[RangeFile]:
    """Open a file by path or URL, to be read in parts.

    Raises SourceProblemError where the source is at fault, StorageUnavailableError where the way
    to it is; so does each read, which for ``limits.retry_seconds`` is tried again.
    """
    with explained(uri):
        path = local_path(uri)
    if path is None:
        yield RemoteRanges(uri, limits.retry_seconds)
        return
    with explained(uri):
        file = LocalRanges(uri, path)
    try:
        yield file
    finally:
        file.close()


def read_ahead(file: RangeFile, ranges: Iterable[Range]) -> Generator[bytes]:
    """Yield the ranges' bytes in order; some are being read while one is used."""
    with ThreadPoolExecutor(READS_AHEAD, thread_name_prefix="seeding-read") as pool:
        waiting: deque[Future[bytes]] = deque()
        try:
            for start, end in ranges:
                waiting.append(pool.submit(file.read, start, end))
                if len(waiting) == READS_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class LocalRanges:
    """A file on this machine, read through one descriptor."""

    def __init__(self, uri: str, path: Path) -> None:
        if not stat.S_ISREG(path.stat().st_mode):
            raise IsADirectoryError(path)
        self.uri = uri
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        found = os.fstat(self._descriptor)
        self.size = found.st_size
        self._modified_ns = found.st_mtime_ns

    def read(self, start: int, end: int) -> bytes:
        """See RangeFile."""
        parts = []
        with explained(self.uri):
            while start < end:
                part = os.pread(self._descriptor, end - start, start)
                if not part:
                    raise _changed(self.uri)
                parts.append(part)
                start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def check_unchanged(self) -> None:
        """See RangeFile."""
        with explained(self.uri):
            now = self._path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size, self._modified_ns):
            raise _changed(self.uri)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class RemoteRanges:
    """A file behind a URL, read by requests for ranges."""

    def __init__(
        self,
        uri: str,
        retry_seconds: float,
        wait: Callable[[float], bool | None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.uri = uri
        self._retry_seconds = retry_seconds
        self._wait = wait
        self._clock = clock
        with explained(uri):
            self._filesystem, self._path = filesystem_of(uri)
            self._info = self._filesystem.info(self._path)
            if self._info.get("type") == "directory":
                raise IsADirectoryError(uri)
        if self._info.get("size") is None or not self._info.get("partial", True):
            raise _no_ranges(uri)
        self.size = int(self._info["size"])

    def read(self, start: int, end: int) -> bytes:
        """See RangeFile."""
        return self._patiently(lambda: self._read(start, end)) if start < end else b""

    def check_unchanged(self) -> None:
        """See RangeFile."""
        self._patiently(self._compare)

    def _patiently(self, attempt: Callable[[], Answer]) -> Answer:
        return keep_trying(attempt, seconds=self._retry_seconds, wait=self._wait, clock=self._clock)

    def _read(self, start: int, end: int) -> bytes:
        try:
            with explained(self.uri):
                data = self._fetch(start, end)
        except StorageUnavailableError:
            self._compare()  # a file that has become shorter is refused by its server
            raise
        if len(data) > end - start:
            raise _no_ranges(self.uri)
        if len(data) < end - start:
            self._compare()
            raise StorageUnavailableError(
                f"{self.uri} cannot be read: {len(data):,} bytes came, not {end - start:,}"
            )
        return data

    def _fetch(self, start: int, end: int) -> bytes:
        if get_protocol(self.uri) not in _WEB:
            return bytes(self._filesystem.cat_file(self._path, start=start, end=end))
        # Of an answer that is the whole file, cat_file would read all; the file object does not.
        identity = {"Accept-Encoding": "identity"}
        with self._filesystem.open(
            self._path, size=self.size, cache_type="none", headers=identity
        ) as file:
            file.seek(start)
            try:
                return bytes(file.read(end - start))
            except ValueError:
                raise _no_ranges(self.uri) from None

    def _compare(self) -> None:
        with explained(self.uri):
            self._filesystem.invalidate_cache()
            now = self._filesystem.info(self._path)
        if _version(now) != _version(self._info):
            raise _changed(self.uri)


def _version(info: dict[str, Any]) -> list[object]:
    return [info.get(mark) for mark in _TELLING_OF_CHANGES]


def _changed(uri: str) -> SourceProblemError:
    message = f"{uri} was changed while it was being read; try again when it is whole"
    return SourceProblemError(Problem("source_changed", message))


def _no_ranges(uri: str) -> SourceProblemError:
    message = (
        f"{uri} lies on a server that does not give parts of a file; "
        "download it first, and give the path of the copy"
    )
    return SourceProblemError(Problem("ranges_unsupported", message))
