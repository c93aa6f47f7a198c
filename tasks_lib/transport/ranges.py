"""Read ranges of a local or remote file, without fetching the whole of it.

The response of a server that ignores ranges is not read to its end.
"""

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem, SourceProblemError, StorageUnavailableError
from tasks_lib.transport.fetch import copy_stream
from tasks_lib.transport.filesystems import (
    filesystem_of,
    is_stream,
    local_path,
    protocol_of,
    translate_errors,
)
from tasks_lib.transport.retry import Answer, keep_trying
from tasks_lib.transport.temporary import temporary_folder

READS_AHEAD: Final = 4
_WEB: Final = frozenset({"http", "https"})
_VERSION_MARKS: Final = (
    "size", "ETag", "etag", "LastModified", "Last-Modified", "last_modified", "mtime",
    "VersionId", "generation", "Content-MD5", "Digest",
)  # fmt: skip
"""The names under which fsspec's file systems give a file's version; none has all of them."""


class Range(NamedTuple):
    """The bytes from ``start`` up to, but not including, ``end``."""

    start: int
    end: int


class RangeFile(Protocol):
    """A file of which ranges can be read, by several threads at the same time."""

    uri: str
    size: int

    def read(self, start: int, end: int) -> bytes:
        """Return all bytes from ``start`` up to ``end``; ``end`` must not exceed the size."""

    def check_unchanged(self) -> None:
        """Raise SourceProblemError if the file was changed since it was opened."""


@contextmanager
def open_ranges(uri: str, limits: Limits) -> Iterator[RangeFile]:
    """Open a file by path or URL, to read ranges of it.

    A source that can be read only once is copied first. Raises SourceProblemError if the source is
    wrong, StorageUnavailableError if it does not respond for ``limits.retry_seconds``. So does each
    read.
    """
    with ExitStack() as resources:
        with translate_errors(uri):
            path = local_path(uri)
            is_once = is_stream(uri)
        if is_once:
            path = copy_stream(uri, resources.enter_context(temporary_folder()), limits)
        if path is None:
            yield RemoteRanges(uri, limits.retry_seconds)
            return
        with translate_errors(uri):
            file = LocalRanges(uri, path)
        resources.callback(file.close)
        yield file


def read_ahead(file: RangeFile, ranges: Iterable[Range]) -> Generator[bytes]:
    """Yield the ranges' bytes in order; read the next ones in the background."""
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
        status = os.fstat(self._descriptor)
        self.size = status.st_size
        self._modified_ns = status.st_mtime_ns

    def read(self, start: int, end: int) -> bytes:
        """Return all bytes from ``start`` up to ``end``."""
        parts = []
        with translate_errors(self.uri):
            while start < end:
                part = os.pread(self._descriptor, end - start, start)
                if not part:
                    raise _changed(self.uri)
                parts.append(part)
                start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def check_unchanged(self) -> None:
        """Raise SourceProblemError if the file was changed since it was opened."""
        with translate_errors(self.uri):
            now = self._path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size, self._modified_ns):
            raise _changed(self.uri)

    def close(self) -> None:
        """Close the file."""
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
        with translate_errors(uri):
            self._filesystem, self._path = filesystem_of(uri)
        self._info = self._with_retries(self._find)
        if self._info.get("size") is None or not self._info.get("partial", True):
            raise _no_ranges(uri)
        self.size = int(self._info["size"])

    def _find(self) -> dict[str, Any]:
        with translate_errors(self.uri):
            info: dict[str, Any] = self._filesystem.info(self._path)
            if info.get("type") == "directory":
                raise IsADirectoryError(self.uri)
            return info

    def read(self, start: int, end: int) -> bytes:
        """Return all bytes from ``start`` up to ``end``, with retries."""
        return self._with_retries(lambda: self._read(start, end)) if start < end else b""

    def check_unchanged(self) -> None:
        """Raise SourceProblemError if the file was changed since it was opened."""
        self._with_retries(self._compare)

    def _with_retries(self, attempt: Callable[[], Answer]) -> Answer:
        return keep_trying(attempt, seconds=self._retry_seconds, wait=self._wait, clock=self._clock)

    def _read(self, start: int, end: int) -> bytes:
        try:
            with translate_errors(self.uri):
                data = self._fetch(start, end)
        except StorageUnavailableError:
            self._compare()  # the server refuses a range of a file that has become shorter
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
        if protocol_of(self.uri) not in _WEB:
            return bytes(self._filesystem.cat_file(self._path, start=start, end=end))
        # If a server sends the whole file, cat_file would read all of it; this does not.
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
        with translate_errors(self.uri):
            self._filesystem.invalidate_cache()
            now = self._filesystem.info(self._path)
        if _version(now) != _version(self._info):
            raise _changed(self.uri)


def _version(info: dict[str, Any]) -> list[object]:
    return [info.get(mark) for mark in _VERSION_MARKS]


def _changed(uri: str) -> SourceProblemError:
    message = f"{uri} was changed while it was being read; try again when it is whole"
    return SourceProblemError(Problem("source_changed", message))


def _no_ranges(uri: str) -> SourceProblemError:
    message = (
        f"{uri} lies on a server that does not give parts of a file; "
        "download it first, and give the path of the copy"
    )
    return SourceProblemError(Problem("ranges_unsupported", message))
