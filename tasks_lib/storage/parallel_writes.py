"""Write many files side by side, with a bound on the bytes that they hold in memory.

The caller's thread reads the content, a pool of threads writes it. The first failure ends them all.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from hashlib import sha256
from threading import Condition, Event
from types import TracebackType
from typing import Final, NamedTuple, Self

from tasks_lib.errors import (
    Problem,
    SourceProblemError,
    StorageRefusedError,
    StorageUnavailableError,
)
from tasks_lib.storage.places import Parts, Place
from tasks_lib.transport.retry import Answer, keep_trying

MAX_BYTES_IN_FLIGHT: Final = 32 * 2**20
MAX_FILES_IN_FLIGHT: Final = 64
PART_BYTES: Final = 8 * 2**20
_MAX_PARTS: Final = 10_000
"""The most that S3 takes; a file that would have more gets larger parts."""


class FileWrite(NamedTuple):
    """A file to write: its SHA-256 in hexadecimal digits, its size in bytes, its content.

    ``data`` is the content itself, or for a large file a function that yields it in chunks.
    """

    sha256: str
    size: int
    content_type: str
    data: bytes | Callable[[], Iterator[bytes]]


class ParallelWrites:
    """Writes to one place; leaving the context waits for all of them."""

    def __init__(self, place: Place, uri_of: Callable[[str], str], *, retry_seconds: float) -> None:
        self._place = place
        self._uri_of = uri_of
        self._retry_seconds = retry_seconds
        self._pool = ThreadPoolExecutor(place.concurrency, thread_name_prefix="seeding-write")
        self._flight = _Flight()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._flight.is_over.set()
        try:
            self._pool.shutdown()
        except BaseException:
            self._flight.is_over.set()
            self._pool.shutdown()
            raise
        if kind is None:
            self._flight.check()

    def submit(self, file: FileWrite, *, may_exist: bool) -> None:
        """Queue the file to be stored under its hash; with ``may_exist``, unless it is there.

        Blocks while too much is in flight. Raises the StorageUnavailableError of an earlier write,
        and SourceProblemError if a large file no longer has its hash.
        """
        self.send(self._uri_of(file.sha256), file, may_exist=may_exist)

    def send(self, uri: str, file: FileWrite, *, may_exist: bool) -> None:
        """Queue the file to be stored under ``uri``; otherwise like ``submit``."""
        if isinstance(file.data, bytes):
            put = partial(self._put, uri, file, file.data, may_exist=may_exist)
            self._start(len(file.data), put)
        elif not (may_exist and self._is_there(uri, file.size)):
            self._send_in_parts(uri, file, file.data())

    def _put(self, uri: str, file: FileWrite, data: bytes, *, may_exist: bool) -> None:
        if may_exist and self._is_there(uri, file.size):
            return
        write = partial(
            self._place.write, uri, data, content_type=file.content_type, sha256=file.sha256
        )
        self._try(write)

    def _send_in_parts(self, uri: str, file: FileWrite, chunks: Iterator[bytes]) -> None:
        part_bytes = max(PART_BYTES, -(-file.size // _MAX_PARTS))
        parts, sent, digest = None, list[Future[None]](), sha256()
        try:
            for number, data in enumerate(_parts(chunks, part_bytes)):
                digest.update(data)
                if parts is None and len(data) < part_bytes:
                    _check_hash(digest.hexdigest(), file)
                    self._start(len(data), partial(self._put, uri, file, data, may_exist=False))
                    return
                parts = parts or self._begin(uri, file)
                send = partial(parts.send, number + 1, number * part_bytes, data)
                sent.append(self._start(len(data), partial(self._try, send)))
            _check_hash(digest.hexdigest(), file)
            if parts is None:
                raise RuntimeError("a large file was cut into no parts at all")
            self._start(0, partial(self._finish, parts, sent))
        except BaseException as error:
            if not isinstance(error, SourceProblemError):  # which concerns this file alone
                self._flight.fail(error)
            self._drop(parts, sent)
            raise

    def _begin(self, uri: str, file: FileWrite) -> Parts:
        begin = partial(self._place.begin, uri, content_type=file.content_type, size=file.size)
        return self._try(begin)

    def _finish(self, parts: Parts, sent: list[Future[None]]) -> None:
        """Complete the file once its parts are sent; they were started before, so they will end."""
        try:
            for part in sent:
                part.result()
            self._try(parts.complete)
        except BaseException:
            self._drop(parts, sent)
            raise

    def _drop(self, parts: Parts | None, sent: list[Future[None]]) -> None:
        """Drop the parts; if even that fails, ``remove_leftovers`` removes them later."""
        wait(sent)
        if parts is not None:
            with suppress(StorageUnavailableError):
                parts.abort()

    def _start(self, size: int, act: Callable[[], None]) -> Future[None]:
        self._flight.enter(size)
        return self._pool.submit(self._run, size, act)

    def _run(self, size: int, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:
            self._flight.fail(error)
            raise
        finally:
            self._flight.leave(size)

    def _is_there(self, uri: str, size: int) -> bool:
        return self._try(partial(self._place.size_of, uri)) == size

    def _try(self, attempt: Callable[[], Answer]) -> Answer:
        if self._flight.is_over.is_set():
            raise StorageRefusedError("the write was cancelled because another one failed")
        return keep_trying(attempt, seconds=self._retry_seconds, wait=self._flight.is_over.wait)


class _Flight:
    """The writes in flight: files, their bytes, and the first failure, which ends them all."""

    def __init__(self) -> None:
        self.is_over = Event()
        self._changed = Condition()
        self._files = 0
        self._bytes = 0
        self._failure: BaseException | None = None

    def enter(self, size: int) -> None:
        """Wait for room; a write larger than the bound goes alone. Raises the first failure."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or self._has_room(size))
            self.check()
            self._files += 1
            self._bytes += size

    def leave(self, size: int) -> None:
        with self._changed:
            self._files -= 1
            self._bytes -= size
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        with self._changed:
            if self._failure is None:
                self._failure = error
            self.is_over.set()
            self._changed.notify_all()

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _has_room(self, size: int) -> bool:
        fits = self._bytes + size <= MAX_BYTES_IN_FLIGHT and self._files < MAX_FILES_IN_FLIGHT
        return fits or not self._files


def _parts(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Cut the chunks into parts: all but the last are of ``size``; there is at least one."""
    pending = bytearray()
    count = 0
    for chunk in chunks:
        pending += chunk
        while len(pending) >= size:
            yield bytes(memoryview(pending)[:size])
            del pending[:size]
            count += 1
    if pending or not count:
        yield bytes(pending)


def _check_hash(sha256: str, file: FileWrite) -> None:
    if sha256 != file.sha256:
        message = f"a file of {file.size} bytes was changed while it was being read"
        raise SourceProblemError(Problem("source_changed", message))
