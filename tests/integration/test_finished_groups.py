"""A group has finished when all of its tasks are finished or withdrawn, once for each time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from people import AT, PATH, make_tasks
from tasks_lib.domain.events import Event
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.groups.finish import settle_groups
from tasks_lib.operations.groups.read import find_group
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.tasks import move
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.counts import add_counts

SECOND = timedelta(seconds=1)


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Store:
    """A store with a group of three pending tasks."""
    make_tasks(workspace, tmp_path, 3)
    return workspace.store


class Bus:
    """A fake Prefect that records the groups that have finished, and can be away."""

    def __init__(self) -> None:
        self.finished: list[Event] = []
        self.is_away = False

    def __call__(self, events: Sequence[Event]) -> None:
        if self.is_away:
            raise PrefectUnavailableError("the Prefect server is away")
        self.finished += [event for event in events if event.event == "seeding.group.finished"]


def finish_next(store: Store, contributor: str = "ann") -> None:
    task = move.claim_task(store, 1, contributor, at=AT)
    assert task is not None
    move.submit_task(store, task.id, contributor, {"sentiment": "good"}, at=AT)


def payloads(bus: Bus) -> list[tuple[int, int]]:
    return [(event.payload["finished"], event.payload["withdrawn"]) for event in bus.finished]


def test_a_group_finishes_with_its_last_task_and_is_announced_once(store: Store) -> None:
    bus = Bus()
    for _ in range(2):
        finish_next(store)
    announce_due(store, bus, at=AT)
    assert (payloads(bus), find_group(store, 1).group.finished_at) == ([], None)
    move.set_status(store, 3, TaskStatus.WITHDRAWN, at=AT)
    announce_due(store, bus, at=AT)
    announce_due(store, bus, at=AT + SECOND)
    assert [event.payload for event in bus.finished] == [
        {
            "pipeline_id": 1, "pipeline": PATH, "group_id": 1, "finished": 2, "withdrawn": 1,
            "message": f"Group 1 of {PATH} is finished: 2 tasks finished, 1 withdrawn.",
        }
    ]  # fmt: skip
    assert find_group(store, 1).group.finished_at == AT


@pytest.mark.parametrize("status", ["failed", "escalated", "quarantined"])
def test_a_blocked_task_keeps_its_group_open(store: Store, status: str) -> None:
    move.set_status(store, 1, TaskStatus(status), at=AT)
    for _ in range(2):
        finish_next(store)
    assert settle_groups(store, at=AT) == []


def test_a_reopened_group_finishes_again(store: Store) -> None:
    bus = Bus()
    for task_id in (1, 2):
        move.set_status(store, task_id, TaskStatus.WITHDRAWN, at=AT)
    finish_next(store)
    announce_due(store, bus, at=AT)
    move.set_status(store, 1, TaskStatus.PENDING, at=AT)
    announce_due(store, bus, at=AT + SECOND)
    assert find_group(store, 1).group.finished_at is None
    finish_next(store)
    announce_due(store, bus, at=AT + 2 * SECOND)
    assert payloads(bus) == [(1, 2), (2, 1)]
    assert len({event.id for event in bus.finished}) == 2


def test_a_group_that_was_reopened_and_finished_between_two_looks_is_announced_again(
    store: Store,
) -> None:
    bus = Bus()
    move.set_status(store, 1, TaskStatus.WITHDRAWN, at=AT)
    for _ in range(2):
        finish_next(store)
    announce_due(store, bus, at=AT)
    move.set_status(store, 1, TaskStatus.PENDING, at=AT)
    finish_next(store)
    announce_due(store, bus, at=AT + SECOND)
    assert payloads(bus) == [(2, 1), (3, 0)]


def test_the_finish_is_announced_when_the_server_is_back(store: Store) -> None:
    bus = Bus()
    for _ in range(3):
        finish_next(store)
    bus.is_away = True
    with pytest.raises(PrefectUnavailableError):
        announce_due(store, bus, at=AT)
    bus.is_away = False
    announce_due(store, bus, at=AT + SECOND)
    assert payloads(bus) == [(3, 0)]


def test_a_group_that_was_reopened_before_it_was_announced_is_not_announced(store: Store) -> None:
    bus = Bus()
    move.set_status(store, 1, TaskStatus.WITHDRAWN, at=AT)
    for _ in range(2):
        finish_next(store)
    settle_groups(store, at=AT)
    move.set_status(store, 1, TaskStatus.PENDING, at=AT)
    announce_due(store, bus, at=AT + SECOND)
    assert payloads(bus) == []


def test_an_undone_group_without_tasks_has_not_finished(store: Store) -> None:
    undo_group(store, 1, by="ann", at=AT)
    assert settle_groups(store, at=AT) == []
    assert find_group(store, 1).group.finished_at is None


def test_the_kept_tasks_of_an_undone_group_finish(store: Store) -> None:
    claimed = move.claim_task(store, 1, "ann", at=AT)
    assert claimed is not None
    undo_group(store, 1, by="bob", at=AT)
    assert settle_groups(store, at=AT) == []
    move.submit_task(store, claimed.id, "ann", {"sentiment": "good"}, at=AT)
    assert [entry.finished for entry in settle_groups(store, at=AT)] == [1]


def test_finished_tasks_that_are_deleted_do_not_finish_their_group_again(store: Store) -> None:
    for _ in range(3):
        finish_next(store)
    assert len(settle_groups(store, at=AT)) == 1
    with store.write() as session:  # the counts, as a deletion of finished tasks leaves them
        add_counts(session, 1, {TaskStatus.FINISHED: -3}, group_id=1)
    assert settle_groups(store, at=AT + SECOND) == []
    assert find_group(store, 1).group.finished_at == AT
    with store.write() as session:
        add_counts(session, 1, {TaskStatus.PENDING: 1}, group_id=1)
    assert settle_groups(store, at=AT + SECOND) == []
    assert find_group(store, 1).group.finished_at is None
    with store.write() as session:
        add_counts(session, 1, {TaskStatus.PENDING: -1, TaskStatus.FINISHED: 1}, group_id=1)
    assert len(settle_groups(store, at=AT + SECOND)) == 1


def test_the_last_two_submissions_at_once_finish_their_group_exactly_once(store: Store) -> None:
    finish_next(store)
    claimed = [move.claim_task(store, 1, name, at=AT) for name in ("ann", "bob")]
    barrier = Barrier(4)
    found: list[int] = []

    def submit(place: int) -> None:
        task = claimed[place]
        assert task is not None
        barrier.wait()
        name = ("ann", "bob")[place]
        move.submit_task(store, task.id, name, {"sentiment": "good"}, at=AT)

    def look() -> None:
        barrier.wait()
        for _ in range(10):
            found.extend(entry.finished for entry in settle_groups(store, at=AT))

    with ThreadPoolExecutor(4) as pool:
        acts = [pool.submit(submit, 0), pool.submit(submit, 1)]
        acts += [pool.submit(look) for _ in range(2)]
        for act in acts:
            act.result()
    found.extend(entry.finished for entry in settle_groups(store, at=AT))
    assert found == [3]
