"""Many uploads side by side, with a bound on the bytes that they hold in memory.

Who submits reads; a pool of threads sends. A failure ends them all.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from hashlib import sha256
from threading import Condition, Event, Lock
from types import TracebackType
from typing import Final, NamedTuple, Self

from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.errors import StorageRefusedError, StorageUnavailableError
from tasks_lib.intake.attempts import Answer, keep_trying
from tasks_lib.storage.places import Parts, Place

MAX_BYTES_IN_FLIGHT: Final = 32 * 2**20
MAX_FILES_IN_FLIGHT: Final = 64
PART_BYTES: Final = 8 * 2**20
_MAX_PARTS: Final = 10_000
"""What S3 takes at most; a file that would have more gets larger parts."""


class Upload(NamedTuple):
    """A file to be stored by its content: SHA-256 in hexadecimal digits, size in bytes.

    ``data`` is the content, or for a large file a function that yields it in chunks.
    """

    sha256: str
    size: int
    content_type: str
    data: bytes | Callable[[], Iterator[bytes]]


class Uploads:
    """Uploads to one place; leaving the context waits for all of them.

    ``on_stored`` is called for each that is stored or was there, one at a time, in any thread.
    """

    def __init__(
        self,
        place: Place,
        uri_of: Callable[[str], str],
        *,
        retry_seconds: float,
        on_stored: Callable[[Upload], None],
    ) -> None:
        self._place = place
        self._uri_of = uri_of
        self._retry_seconds = retry_seconds
        self._on_stored = on_stored
        self._telling = Lock()
        self._pool = ThreadPoolExecutor(place.concurrency, thread_name_prefix="upload")
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

    def submit(self, upload: Upload, *, may_exist: bool) -> None:
        """Store the upload under its hash, soon; with ``may_exist``, unless it is there.

        Waits while too much is in flight. Raises the StorageUnavailableError of an earlier upload,
        and SourceProblemError where a large file is no longer what its hash says.
        """
        self.send(self._uri_of(upload.sha256), upload, may_exist=may_exist)

    def send(self, uri: str, upload: Upload, *, may_exist: bool) -> None:
        """Store the upload under ``uri``; otherwise as ``submit``."""
        if isinstance(upload.data, bytes):
            self._start(
                len(upload.data), partial(self._put, uri, upload, upload.data, may_exist=may_exist)
            )
        elif may_exist and self._is_there(uri, upload.size):
            self._tell(upload)
        else:
            self._send_in_parts(uri, upload, upload.data())

    def _put(self, uri: str, upload: Upload, data: bytes, *, may_exist: bool) -> None:
        if not (may_exist and self._is_there(uri, upload.size)):
            self._try(
                partial(
                    self._place.write,
                    uri,
                    data,
                    content_type=upload.content_type,
                    sha256=upload.sha256,
                )
            )
        self._tell(upload)

    def _send_in_parts(self, uri: str, upload: Upload, chunks: Iterator[bytes]) -> None:
        part_bytes = max(PART_BYTES, -(-upload.size // _MAX_PARTS))
        parts, sent, digest = None, list[Future[None]](), sha256()
        try:
            for number, data in enumerate(_parts(chunks, part_bytes)):
                digest.update(data)
                if parts is None and len(data) < part_bytes:
                    _check(digest.hexdigest(), upload)
                    self._start(len(data), partial(self._put, uri, upload, data, may_exist=False))
                    return
                parts = parts or self._begin(uri, upload)
                send = partial(parts.send, number + 1, number * part_bytes, data)
                sent.append(self._start(len(data), partial(self._try, send)))
            _check(digest.hexdigest(), upload)
            assert parts is not None  # noqa: S101
            self._start(0, partial(self._finish, parts, sent, upload))
        except BaseException as error:
            if not isinstance(error, SourceProblemError):  # that is this file's alone
                self._flight.fail(error)
            self._drop(parts, sent)
            raise

    def _begin(self, uri: str, upload: Upload) -> Parts:
        begin = partial(self._place.begin, uri, content_type=upload.content_type, size=upload.size)
        return self._try(begin)

    def _finish(self, parts: Parts, sent: list[Future[None]], upload: Upload) -> None:
        """Complete the file when its parts are there; they have begun before, so they will end."""
        try:
            for part in sent:
                part.result()
            self._try(parts.complete)
        except BaseException:
            self._drop(parts, sent)
            raise
        self._tell(upload)

    def _drop(self, parts: Parts | None, sent: list[Future[None]]) -> None:
        """Drop the parts; where even that fails they are leftovers."""
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
            raise StorageRefusedError("the upload was given up because another one failed")
        return keep_trying(attempt, seconds=self._retry_seconds, wait=self._flight.is_over.wait)

    def _tell(self, upload: Upload) -> None:
        with self._telling:
            self._on_stored(upload)


class _Flight:
    """What is under way: files, their bytes, and the first failure, after which it is over."""

    def __init__(self) -> None:
        self.is_over = Event()
        self._changed = Condition()
        self._files = 0
        self._bytes = 0
        self._failure: BaseException | None = None

    def enter(self, size: int) -> None:
        """Wait for room; what alone is too large goes alone. Raises the first failure."""
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
    """Cut the chunks anew: all parts but the last are of ``size``; there is at least one."""
    held = bytearray()
    count = 0
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(memoryview(held)[:size])
            del held[:size]
            count += 1
    if held or not count:
        yield bytes(held)


def _check(found: str, upload: Upload) -> None:
    if found != upload.sha256:
        message = f"a file of {upload.size} bytes was changed while it was being read"
        raise SourceProblemError(Problem("source_changed", message))
