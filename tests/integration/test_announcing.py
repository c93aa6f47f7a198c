"""What Prefect is told of: everything at least once, coalesced, and nobody waits for it."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from people import AT, claim, finish, make_tasks
from servers import wait_until
from tasks_lib.domain.events import Event
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations import lifecycle, queries
from tasks_lib.operations.announcing import (
    Relay,
    Waiting,
    announce_due,
    created_event,
    mark_announced,
    waiting,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.announcements import lease
from tasks_lib.store.engine import Store

SECOND = timedelta(seconds=1)
LATER = AT + timedelta(days=3_650)
"""When groups that nobody has told of are due: they are made at the real time."""


class Prefect:
    """Takes events and records them; while it is away it takes none."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_away = False

    def __call__(self, events: Sequence[Event]) -> None:
        if self.is_away:
            raise PrefectUnavailableError("the Prefect server is away")
        self.events.extend(events)

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and payload of what was told, without the groups."""
        return [
            (event.event, event.payload)
            for event in self.events
            if event.event != "seeding.group.created"
        ]


@pytest.fixture
def prefect() -> Prefect:
    """A Prefect that has heard of nothing."""
    return Prefect()


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Store:
    """A store with three tasks to be done."""
    make_tasks(workspace, tmp_path, 3)
    return workspace.store


def claimed(count: int, claims: int) -> tuple[str, dict[str, Any]]:
    return "seeding.tasks.claimed", {"pipeline_id": 1, "count": count, "claims": claims}


def finished(count: int, of: int) -> tuple[str, dict[str, Any]]:
    return "seeding.tasks.finished", {"pipeline_id": 1, "count": count, "finished": of}


ENDED = ("seeding.pipeline.finished", {"pipeline_id": 1, "finished": 3})


def test_claims_and_finished_tasks_are_told_together_and_once(
    store: Store, prefect: Prefect
) -> None:
    claim(store)
    finish(store)
    assert announce_due(store, prefect, at=AT) == 2
    assert announce_due(store, prefect, at=AT + SECOND) == 0
    assert prefect.told == [claimed(2, 2), finished(1, 1)]


def test_an_event_names_pipeline_project_and_organization(store: Store, prefect: Prefect) -> None:
    claim(store)
    announce_due(store, prefect, at=AT)
    (event,) = prefect.events
    assert event.resource == {
        "prefect.resource.id": "seeding.pipeline.1",
        "prefect.resource.name": "acme/reviews/label-reviews",
    }
    assert [related["prefect.resource.id"] for related in event.related] == [
        "seeding.project.1", "seeding.organization.1",
    ]  # fmt: skip


def test_there_is_at_most_one_event_a_second_and_it_counts_what_came_meanwhile(
    store: Store, prefect: Prefect
) -> None:
    claim(store)
    announce_due(store, prefect, at=AT)
    claim(store)
    claim(store)
    assert announce_due(store, prefect, at=AT + 0.9 * SECOND) == 0
    assert announce_due(store, prefect, at=AT + SECOND) == 1
    assert prefect.told == [claimed(1, 1), claimed(2, 3)]


def test_a_pipeline_is_finished_when_its_last_task_is_and_again_after_new_ones(
    workspace: Workspace, store: Store, prefect: Prefect, tmp_path: Path
) -> None:
    for _ in range(3):
        finish(store)
    announce_due(store, prefect, at=AT)
    assert prefect.told == [claimed(3, 3), finished(3, 3), ENDED]
    make_tasks(workspace, tmp_path, 1, "more.csv")
    assert announce_due(store, prefect, at=AT + SECOND) == 0
    finish(store)
    announce_due(store, prefect, at=AT + 2 * SECOND)
    assert prefect.told[-1] == (ENDED[0], {"pipeline_id": 1, "finished": 4})


@pytest.mark.parametrize("status", ["failed", "escalated", "quarantined"])
def test_a_blocked_task_keeps_its_pipeline_from_being_finished(
    store: Store, prefect: Prefect, status: str
) -> None:
    lifecycle.set_status(store, 1, TaskStatus(status), at=AT)
    finish(store)
    finish(store)
    announce_due(store, prefect, at=AT)
    assert prefect.told == [claimed(2, 2), finished(2, 2)]


def test_what_prefect_does_not_take_is_due_until_it_does(store: Store, prefect: Prefect) -> None:
    finish(store)
    prefect.is_away = True
    with pytest.raises(PrefectUnavailableError, match="the Prefect server is away"):
        announce_due(store, prefect, at=AT)
    assert waiting(store) == Waiting(claims=1, finished_tasks=1, groups=1)
    prefect.is_away = False
    assert announce_due(store, prefect, at=AT) == 2
    assert prefect.told == [claimed(1, 1), finished(1, 1)]
    assert waiting(store) == Waiting(claims=0, finished_tasks=0, groups=1)


def test_what_a_relay_that_died_had_taken_is_told_by_another_after_half_a_minute(
    store: Store, prefect: Prefect
) -> None:
    claim(store)
    with store.write() as session:
        assert lease(session, [1], at=AT, until=AT + 30 * SECOND) == {1}
    assert announce_due(store, prefect, at=AT + 29 * SECOND) == 0
    assert announce_due(store, prefect, at=AT + 30 * SECOND) == 1
    assert prefect.told == [claimed(1, 1)]


def test_two_relays_at_once_tell_everything_once(store: Store, prefect: Prefect) -> None:
    for _ in range(3):
        finish(store)
    start = threading.Barrier(8)

    def relay(_: int) -> int:
        start.wait()
        return announce_due(store, prefect, at=AT)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(relay, range(8))) == 3
    assert prefect.told == [claimed(3, 3), finished(3, 3), ENDED]


def test_a_group_that_its_maker_has_told_of_is_not_told_again(
    store: Store, prefect: Prefect
) -> None:
    mark_announced(store, 1)
    assert announce_due(store, prefect, at=LATER) == 0


def test_a_group_that_nobody_has_told_of_is_told_as_its_maker_would_have(
    store: Store, prefect: Prefect, tmp_path: Path
) -> None:
    assert announce_due(store, prefect, at=AT) == 0, "its maker has a minute"
    assert announce_due(store, prefect, at=LATER) == 1
    assert announce_due(store, prefect, at=LATER) == 0
    (told,) = prefect.events
    report = queries.find_report(store, "people.csv")
    assert report is not None
    pipeline = queries.find_pipeline(store, "1")
    assert told == created_event(store, pipeline, report)
    assert told.payload == {
        "group_id": 1, "pipeline_id": 1, "created": 3, "rejected": 0,
        "source": str(tmp_path / "people.csv"),
    }  # fmt: skip


def test_the_relays_thread_goes_on_when_prefect_comes_back(store: Store, prefect: Prefect) -> None:
    prefect.is_away = True
    finish(store)
    asked = threading.Event()

    def tell(events: Sequence[Event]) -> None:
        asked.set()
        prefect(events)

    with Relay(store, tell, every_seconds=0.01):
        assert asked.wait(30)
        assert claim(store).status == "in_progress", "nobody waits for Prefect"
        prefect.is_away = False
        wait_until(lambda: waiting(store)[:2] == (0, 0))
    assert sum(payload["count"] for name, payload in prefect.told if "claimed" in name) == 2
