"""The clean-up removes files that no task needs, and never one that a task needs or will need."""

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import text

from children import CHILDREN
from storages import MIB, by_uri, contents, files_in, storage_of, write_of
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.errors import StorageUnavailableError
from tasks_lib.operations.upkeep.unused_files import GRACE, Removed, remove_unreferenced_files
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from tasks_lib.store.files import refer_to_files, touch_files
from tasks_lib.store.groups import task_groups

NOW = datetime(2026, 1, 2, tzinfo=UTC)
STALE = NOW - GRACE - timedelta(seconds=1)


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace on each database with each storage."""
    return Workspace(workspace.store, storage_of(request, tmp_path), Limits())


def upload(place: Workspace, some: Sequence[bytes], at: datetime) -> list[str]:
    """Store files as a load does, and return their URIs."""
    files = by_uri(place.storage, *some)
    with place.store.write() as session:
        sizes = [(uri, len(content)) for uri, content in files.items()]
        known = touch_files(session, sizes, at=at)
    with place.storage.parallel_writes() as writes:
        for uri, content in files.items():
            chunks = MIB if len(content) > MIB else 0
            writes.submit(write_of(content, in_chunks_of=chunks), may_exist=uri in known)
    return list(files)


def refer(place: Workspace, uris: Sequence[str], key: str) -> None:
    """Create a group that refers to the files, as a load does at its end."""
    with place.store.write() as session:
        claim = task_groups.ensure_group(
            session, pipeline_id=1, kind=SeedKind.ZIP, seed_key=key, source="a.zip", at=NOW
        )
        if claim.is_new:
            refer_to_files(session, claim.group_id, uris)


def rows(place: Workspace) -> set[str]:
    with place.store.read() as session:
        return set(session.scalars(text("SELECT uri FROM stored_files")))


def references(place: Workspace) -> set[str]:
    with place.store.read() as session:
        return set(session.scalars(text("SELECT uri FROM group_files")))


def test_unreferenced_files_are_removed_after_the_grace_period(place: Workspace) -> None:
    some = contents(430)
    kept = upload(place, some[:3], STALE)
    upload(place, some[3:410], STALE)
    upload(place, some[410:], NOW - GRACE)
    refer(place, kept, "key")
    expected = by_uri(place.storage, *some[:3], *some[410:])
    assert remove_unreferenced_files(place, now=NOW) == Removed(407, 0)
    assert (files_in(place.storage), rows(place)) == (expected, set(expected))
    assert remove_unreferenced_files(place, now=NOW) == Removed(0, 0)
    assert (files_in(place.storage), rows(place)) == (expected, set(expected))


def test_a_file_that_is_needed_again_is_stored_again(place: Workspace) -> None:
    upload(place, contents(3), STALE)
    assert remove_unreferenced_files(place, now=NOW).files == 3
    upload(place, contents(3), NOW)
    assert files_in(place.storage) == by_uri(place.storage, *contents(3))
    assert remove_unreferenced_files(place, now=NOW).files == 0


def test_leftovers_are_counted(workspace: Workspace) -> None:
    aside = Path(workspace.storage.root.removeprefix("file://")) / ".incoming" / "left"
    aside.parent.mkdir(parents=True)
    aside.touch()
    later = datetime.now(UTC) + GRACE + timedelta(seconds=1)
    assert remove_unreferenced_files(workspace, now=later - timedelta(seconds=60)).leftovers == 0
    assert remove_unreferenced_files(workspace, now=later) == Removed(0, 1)


class CutOff(Storage):
    """A storage that removes files but reports a failure, once in ``every`` calls."""

    def __init__(self, root: str, *, every: int = 1) -> None:
        super().__init__(root)
        self.every = every
        self.dice = random.Random(4117)

    def remove(self, uris: Sequence[str]) -> None:
        if self.dice.randrange(self.every):
            super().remove(uris)
        else:
            super().remove(uris[: len(uris) // 2])
            raise StorageUnavailableError("the connection was cut off")


def test_a_clean_up_that_is_cut_off_leaves_rows_for_the_next_one(place: Workspace) -> None:
    uris = upload(place, contents(10), STALE)
    broken = Workspace(place.store, CutOff(place.storage.root), Limits())
    with pytest.raises(StorageUnavailableError, match="the connection was cut off"):
        remove_unreferenced_files(broken, now=NOW)
    assert rows(place) == set(uris)
    assert len(files_in(place.storage)) == 5
    assert remove_unreferenced_files(place, now=NOW) == Removed(10, 0)
    assert (files_in(place.storage), rows(place)) == ({}, set())


def test_after_a_clean_up_that_was_cut_off_a_load_stores_its_files_again(place: Workspace) -> None:
    uris = upload(place, contents(10), STALE)
    broken = Workspace(place.store, CutOff(place.storage.root), Limits())
    with pytest.raises(StorageUnavailableError):
        remove_unreferenced_files(broken, now=NOW)
    with pytest.raises(StorageUnavailableError, match="was cleaned up"):
        refer(place, uris, "of a load that was too slow")
    upload(place, contents(10), NOW)
    refer(place, uris, "key")
    assert remove_unreferenced_files(place, now=NOW + 2 * GRACE) == Removed(0, 0)
    assert files_in(place.storage) == by_uri(place.storage, *contents(10))


def test_two_clean_ups_remove_each_file_once(place: Workspace) -> None:
    upload(place, contents(450), STALE)
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(remove_unreferenced_files, place, now=NOW) for _ in range(4)]
    assert sum(one.result().files for one in results) == 450
    assert (files_in(place.storage), rows(place)) == ({}, set())


LEAST_ROUNDS, MOST_ROUNDS = 6, 300


def test_loads_during_clean_ups_without_grace_lose_no_file(place: Workspace) -> None:
    """Six loads share the files of a round, two of them fail; clean-ups break midway."""
    broken = Workspace(place.store, CutOff(place.storage.root, every=3), Limits())
    is_over = threading.Event()
    too_late = list[str]()

    def load(number: int) -> None:
        dice = random.Random(number)
        for turn in range(MOST_ROUNDS):
            if turn >= LEAST_ROUNDS and too_late:
                break
            some = dice.sample([b"%d-%d" % (turn, k) for k in range(8)], 4)
            while not _load_once(place, some, f"{number}-{turn}" if number % 3 else ""):
                too_late.append(f"{number}-{turn}")

    def clean_up() -> None:
        while not is_over.is_set():
            with suppress(StorageUnavailableError):
                remove_unreferenced_files(broken, now=datetime.now(UTC), grace=timedelta())
            time.sleep(0.05)

    with ThreadPoolExecutor(8) as pool:
        cleaning = [pool.submit(clean_up) for _ in range(2)]
        loads = [pool.submit(load, number) for number in range(6)]
        for one in loads:
            one.exception()
        is_over.set()
        assert [one.result() for one in loads + cleaning] == [None] * 8
    assert too_late, "no load and clean-up ever overlapped"
    # Without grace a file may arrive after its row is gone; files of tasks must still exist.
    assert references(place) <= files_in(place.storage).keys()
    remove_unreferenced_files(place, now=datetime.now(UTC), grace=timedelta())
    assert references(place) == rows(place) <= files_in(place.storage).keys()


def _load_once(place: Workspace, some: Sequence[bytes], key: str) -> bool:
    """Load the files, or only store them if there is no key; return whether it succeeded."""
    uris = upload(place, some, datetime.now(UTC))
    try:
        if key:
            refer(place, uris, key)
    except StorageUnavailableError:
        return False
    return True


KILLS = 10


def files_of(number: int) -> list[bytes]:
    return [b"%d-%d" % (number, k) for k in range(40)] + [bytes([number]) * (9 * MIB)]


def load_in_child(url: str, root: str, number: int, ready: Connection) -> None:
    """Load the files in a child process, retrying until no clean-up interferes."""
    place = Workspace(Store.open(url), Storage(root), Limits())
    ready.send("begins")
    while not _load_once(place, files_of(number), f"key-{number}"):
        pass


def clean_up_in_child(url: str, root: str, _: int, ready: Connection) -> None:
    """Clean up without grace and without end, in a child process."""
    place = Workspace(Store.open(url), Storage(root), Limits())
    ready.send("begins")
    while True:
        remove_unreferenced_files(place, now=datetime.now(UTC), grace=timedelta())


def start(place: Workspace, number: int) -> list[ForkServerProcess]:
    """Start a load and a clean-up; return when both are at work."""
    url = place.store.engine.url.render_as_string(hide_password=False)
    children, pipes = list[ForkServerProcess](), list[Connection]()
    for act in (load_in_child, clean_up_in_child):
        here, there = CHILDREN.Pipe()
        child = CHILDREN.Process(target=act, args=(url, place.storage.root, number, there))
        child.start()
        children.append(child)
        pipes.append(here)
    assert [pipe.recv() for pipe in pipes] == ["begins", "begins"]
    return children


def test_killed_loads_and_clean_ups_leave_every_file_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    place = Workspace(workspace.store, Storage(f"{tmp_path}/stored"), Limits())
    dice = random.Random(4117)
    expected: dict[str, bytes] = {}
    cut_short = 0
    for number in range(KILLS):
        children = start(place, number)
        time.sleep(dice.uniform(0, 0.3))
        for child in dice.sample(children, 2):
            child.kill()
            child.join()
        cut_short += references(place) == expected.keys()
        assert references(place) <= files_in(place.storage).keys()
        expected |= by_uri(place.storage, *files_of(number))
        assert _load_once(place, files_of(number), f"key-{number}")
        assert references(place) == expected.keys()
    later = datetime.now(UTC) + timedelta(seconds=1)
    remove_unreferenced_files(place, now=later, grace=timedelta())
    place.storage.remove_leftovers(before=later)
    assert rows(place) == expected.keys()
    assert files_in(place.storage) == expected
    assert cut_short >= KILLS // 4, "the kills came too late to prove anything"
