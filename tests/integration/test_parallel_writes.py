"""Parallel writes hold a bounded number of bytes, and store a file completely or not at all."""

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from servers import wait_until
from storages import MIB, by_uri, contents, files_in, sha256, storage_of, write_of
from tasks_lib.errors import SourceProblemError, StorageRefusedError, StorageUnavailableError
from tasks_lib.storage.file_storage import Storage
from tasks_lib.storage.parallel_writes import PART_BYTES, ParallelWrites, _Flight
from tasks_lib.storage.places import Place
from tasks_lib.transport.retry import keep_trying


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty storage of either kind; a test that takes this runs on both."""
    return storage_of(request, tmp_path)


def test_files_are_stored_under_their_hashes_when_the_context_exits(storage: Storage) -> None:
    some = [write_of(content) for content in [b"", *contents(150)]]
    with storage.parallel_writes() as writes:
        for write in some:
            writes.submit(write, may_exist=False)
    assert files_in(storage) == by_uri(storage, b"", *contents(150))


def test_an_existing_file_is_not_sent_again(storage: Storage) -> None:
    write = write_of(b"content")
    with storage.parallel_writes() as writes:
        writes.submit(write._replace(data=b"CONTENT", sha256=sha256(b"CONTENT")), may_exist=True)
        writes.send(storage.uri_of(write.sha256), write_of(b"CONTENT"), may_exist=False)
    with storage.parallel_writes() as writes:
        writes.submit(write, may_exist=True)
        writes.submit(write._replace(data=lambda: iter([b"content"])), may_exist=True)
    assert files_in(storage) == {
        storage.uri_of(write.sha256): b"CONTENT",
        storage.uri_of(sha256(b"CONTENT")): b"CONTENT",
    }


def test_a_file_of_another_size_is_replaced(storage: Storage) -> None:
    write = write_of(b"content")
    with storage.parallel_writes() as writes:
        writes.send(storage.uri_of(write.sha256), write_of(b"cont"), may_exist=False)
    with storage.parallel_writes() as writes:
        writes.submit(write, may_exist=True)
    assert files_in(storage) == by_uri(storage, b"content")


def test_the_same_content_may_be_sent_twice_at_once(storage: Storage) -> None:
    with storage.parallel_writes() as writes:
        for _ in range(20):
            writes.submit(write_of(b"content"), may_exist=False)
    assert files_in(storage) == by_uri(storage, b"content")


@pytest.mark.parametrize(
    "size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 17]
)
def test_a_file_in_chunks_is_stored_whole(storage: Storage, size: int) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    write = write_of(content, in_chunks_of=300_007)
    with storage.parallel_writes() as writes:
        writes.submit(write, may_exist=True)
    assert files_in(storage) == by_uri(storage, content)


@pytest.mark.parametrize("size", [100, 3 * PART_BYTES])
def test_a_changed_file_leaves_nothing_and_the_others_stay(storage: Storage, size: int) -> None:
    changed = write_of(bytes(size), in_chunks_of=MIB)._replace(sha256=sha256(b"before"))
    with storage.parallel_writes() as writes:
        writes.submit(write_of(b"earlier"), may_exist=False)
        with pytest.raises(SourceProblemError) as caught:
            writes.submit(changed, may_exist=False)
        writes.submit(write_of(b"later"), may_exist=False)
    assert [problem.code for problem in caught.value.problems] == ["source_changed"]
    assert files_in(storage) == by_uri(storage, b"earlier", b"later")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_large_file_that_is_interrupted_leaves_nothing(
    storage: Storage, error: type[BaseException]
) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(2 * PART_BYTES)
        raise error

    with pytest.raises(error), storage.parallel_writes() as writes:
        writes.submit(write_of(b"")._replace(size=3 * PART_BYTES, data=chunks), may_exist=False)
    assert files_in(storage) == {}


def test_an_error_in_the_context_waits_for_writes_in_flight(storage: Storage) -> None:
    def write_and_fail() -> None:
        with storage.parallel_writes() as writes:
            for content in contents(200):
                writes.submit(write_of(content), may_exist=False)
            writes.submit(write_of(bytes(2 * PART_BYTES), in_chunks_of=MIB), may_exist=False)
            raise ZeroDivisionError

    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    files = files_in(storage)
    assert files.items() <= by_uri(storage, *contents(200), bytes(2 * PART_BYTES)).items()
    begun = set(threading.enumerate()) - before
    assert [thread.name for thread in begun if thread.name.startswith("seeding-write")] == []
    assert files == files_in(storage)


class RecordingPlace:
    """A place that records its writes and how many run at once; each write waits for ``gate``."""

    concurrency = 64

    def __init__(self, error: Exception | None = None) -> None:
        self.gate = threading.Event()
        self.error = error
        self.written = list[str]()
        self.now = self.most = 0
        self._lock = threading.Lock()

    def size_of(self, _: str) -> int | None:
        return None

    def write(self, uri: str, *_: object, **__: object) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait()
        with self._lock:
            self.now -= 1
            self.written.append(uri)
        if self.error is not None:
            raise self.error

    def begin(self, *_: object, **__: object) -> "RecordingPlace":
        return self

    def send(self, number: int, offset: int, _: bytes) -> None:
        self.write(f"part {number} at {offset}")

    def complete(self) -> None:
        self.written.append("complete")

    def abort(self) -> None:
        self.written.append("abort")


def writes_to(place: RecordingPlace, **options: float) -> ParallelWrites:
    return ParallelWrites(
        cast("Place", place), lambda sha256: sha256, **{"retry_seconds": 0, **options}
    )


def is_waiting_for_room(thread: threading.Thread) -> bool:
    """Tell whether a thread waits until it may submit the next write."""
    frame = sys._current_frames().get(thread.ident or 0)
    calls = [call.f_code for call, _ in traceback.walk_stack(frame)]
    return {_Flight.enter.__code__, threading.Condition.wait.__code__} <= set(calls)


@pytest.mark.parametrize(
    ("size", "most"),
    [(0, 64), (MIB // 4, 64), (5 * MIB, 6), (32 * MIB, 1), (40 * MIB, 1)],
)
def test_the_number_of_writes_in_flight_is_bounded(size: int, most: int) -> None:
    place = RecordingPlace()
    write = write_of(bytes(size))
    submitted = list[int]()

    def submit() -> None:
        with writes_to(place) as writes:
            for number in range(most + 3):
                writes.submit(write, may_exist=False)
                submitted.append(number)

    thread = threading.Thread(target=submit)
    thread.start()
    wait_until(lambda: place.now == most and is_waiting_for_room(thread))
    assert (place.now, submitted) == (most, list(range(most)))
    place.gate.set()
    thread.join()
    assert (place.most, place.written) == (most, [write.sha256] * (most + 3))


def test_parts_share_the_byte_limit_and_are_completed_last() -> None:
    place = RecordingPlace()
    place.concurrency = 2
    place.gate.set()
    large = write_of(bytes(5 * PART_BYTES), in_chunks_of=3 * MIB)
    with writes_to(place) as writes:
        writes.submit(large, may_exist=True)
        writes.submit(large, may_exist=True)
    parts = [f"part {number + 1} at {number * PART_BYTES}" for number in range(5)]
    assert sorted(place.written) == sorted([*parts, "complete"] * 2)
    assert set(place.written[:5]) <= set(parts)
    assert place.most <= 2


def test_a_failure_ends_the_next_submit_and_is_raised_once() -> None:
    place = RecordingPlace(StorageRefusedError("the disk is full"))
    place.gate.set()
    submitted = list[int]()

    def submit_all() -> None:
        with writes_to(place) as writes:
            for number in range(10_000):
                writes.submit(write_of(b"content"), may_exist=False)
                submitted.append(number)

    with pytest.raises(StorageRefusedError, match=r"^the disk is full$"):
        submit_all()
    assert len(submitted) < 10_000


def test_a_failure_of_the_last_write_is_raised_when_the_context_exits() -> None:
    place = RecordingPlace(StorageRefusedError("the disk is full"))

    def submit() -> None:
        with writes_to(place) as writes:
            writes.submit(write_of(b"content"), may_exist=False)
            place.gate.set()

    with pytest.raises(StorageRefusedError, match=r"^the disk is full$"):
        submit()


def test_a_large_file_is_aborted_when_a_part_fails() -> None:
    place = RecordingPlace(StorageRefusedError("the disk is full"))
    place.gate.set()
    with pytest.raises(StorageRefusedError, match=r"^the disk is full$"), writes_to(place) as some:
        some.submit(write_of(bytes(3 * PART_BYTES), in_chunks_of=MIB), may_exist=False)
    assert "complete" not in place.written
    assert place.written[-1] == "abort"


class Clock:
    """A clock that only waiting advances."""

    def __init__(self, interrupted_after: int = 100) -> None:
        self.now = 0.0
        self.waits = list[float]()
        self._interrupted_after = interrupted_after

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        self.waits.append(round(seconds, 3))
        return len(self.waits) >= self._interrupted_after


def failing(error: Exception) -> Callable[[], None]:
    def attempt() -> None:
        raise error

    return attempt


def test_pauses_grow_and_the_last_attempt_is_at_the_timeout() -> None:
    clock = Clock()
    with pytest.raises(StorageUnavailableError, match="nobody answers"):
        keep_trying(
            failing(StorageUnavailableError("nobody answers")),
            seconds=20,
            wait=clock.wait,
            clock=clock,
        )
    assert clock.waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 3.7]


def test_a_refusal_is_not_retried() -> None:
    clock = Clock()
    with pytest.raises(StorageRefusedError):
        keep_trying(failing(StorageRefusedError("no")), seconds=20, wait=clock.wait, clock=clock)
    assert clock.waits == []


def test_an_interrupted_wait_is_the_last() -> None:
    clock = Clock(interrupted_after=2)
    with pytest.raises(StorageUnavailableError):
        keep_trying(
            failing(StorageUnavailableError("nobody answers")),
            seconds=20,
            wait=clock.wait,
            clock=clock,
        )
    assert clock.waits == [0.1, 0.2]
