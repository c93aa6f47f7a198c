"""Announcing to Prefect: every event at least once, coalesced, without making anyone wait."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from recorded_events import Prefect

from people import AT, PATH, claim, finish, make_tasks
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.domain.events import Event
from tasks_lib.domain.names import counted
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.tasks import move
from tasks_lib.operations.upkeep.announcing import (
    Pending,
    Relay,
    announce_due,
    count_pending,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.announcements import acquire_leases
from tasks_lib.store.engine import Store

SECOND = timedelta(seconds=1)


@pytest.fixture
def prefect() -> Prefect:
    """A fake Prefect that has received no events."""
    return Prefect()


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Store:
    """A store with three available tasks, whose group was not announced."""
    make_tasks(workspace, tmp_path, 3)
    return workspace.store


OF_PIPELINE = {"pipeline_id": 1, "pipeline": PATH}


def claimed_event(count: int, claims: int) -> tuple[str, dict[str, Any]]:
    message = f"{counted(count, 'task')} of {PATH} claimed."
    payload = {"count": count, "claims": claims, "message": message}
    return "seeding.tasks.claimed", OF_PIPELINE | payload


def finished_event(count: int, of: int) -> tuple[str, dict[str, Any]]:
    message = f"{counted(count, 'task')} of {PATH} finished."
    payload = {"count": count, "finished": of, "message": message}
    return "seeding.tasks.finished", OF_PIPELINE | payload


def ended_event(finished: int) -> tuple[str, dict[str, Any]]:
    message = f"All {finished} tasks of {PATH} are finished."
    return "seeding.pipeline.finished", OF_PIPELINE | {"finished": finished, "message": message}


ENDED = ended_event(3)


def test_claims_and_finished_tasks_are_announced_together_and_once(
    store: Store, prefect: Prefect
) -> None:
    claim(store)
    finish(store)
    assert announce_due(store, prefect, at=AT) == 2
    assert announce_due(store, prefect, at=AT + SECOND) == 0
    assert prefect.payloads == [claimed_event(2, 2), finished_event(1, 1)]


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


def test_at_most_one_event_a_second_is_sent_and_it_counts_the_coalesced_ones(
    store: Store, prefect: Prefect
) -> None:
    claim(store)
    announce_due(store, prefect, at=AT)
    claim(store)
    claim(store)
    assert announce_due(store, prefect, at=AT + 0.9 * SECOND) == 0
    assert announce_due(store, prefect, at=AT + SECOND) == 1
    assert prefect.payloads == [claimed_event(1, 1), claimed_event(2, 3)]


def test_a_pipeline_is_finished_when_its_last_task_is_and_again_after_new_ones(
    workspace: Workspace, store: Store, prefect: Prefect, tmp_path: Path
) -> None:
    for _ in range(3):
        finish(store)
    announce_due(store, prefect, at=AT)
    assert prefect.payloads == [claimed_event(3, 3), finished_event(3, 3), ENDED]
    make_tasks(workspace, tmp_path, 1, "more.csv")
    assert announce_due(store, prefect, at=AT + SECOND) == 0
    finish(store)
    announce_due(store, prefect, at=AT + 2 * SECOND)
    assert prefect.payloads[-1] == ended_event(4)


@pytest.mark.parametrize("status", ["failed", "escalated", "quarantined"])
def test_a_blocked_task_keeps_its_pipeline_from_being_finished(
    store: Store, prefect: Prefect, status: str
) -> None:
    move.set_status(store, 1, TaskStatus(status), at=AT)
    finish(store)
    finish(store)
    announce_due(store, prefect, at=AT)
    assert prefect.payloads == [claimed_event(2, 2), finished_event(2, 2)]


def test_a_withdrawn_task_does_not_keep_its_pipeline_from_being_finished(
    store: Store, prefect: Prefect
) -> None:
    finish(store)
    finish(store)
    announce_due(store, prefect, at=AT)
    assert prefect.payloads == [claimed_event(2, 2), finished_event(2, 2)]
    move.set_status(store, 3, TaskStatus.WITHDRAWN, at=AT)
    announce_due(store, prefect, at=AT + SECOND)
    assert prefect.payloads[2:] == [ended_event(2)]


def test_an_event_that_prefect_rejects_stays_due_until_it_is_accepted(
    store: Store, prefect: Prefect
) -> None:
    finish(store)
    prefect.is_away = True
    with pytest.raises(PrefectUnavailableError, match="the Prefect server is away"):
        announce_due(store, prefect, at=AT)
    assert count_pending(store) == Pending(claims=1, finished_tasks=1, groups=1)
    prefect.is_away = False
    assert announce_due(store, prefect, at=AT) == 2
    assert prefect.payloads == [claimed_event(1, 1), finished_event(1, 1)]
    assert count_pending(store) == Pending(claims=0, finished_tasks=0, groups=1)


def test_events_of_a_dead_relay_are_sent_by_another_after_half_a_minute(
    store: Store, prefect: Prefect
) -> None:
    claim(store)
    with store.write() as session:
        assert acquire_leases(session, [1], at=AT, lasts=30 * SECOND) == {1}
    assert announce_due(store, prefect, at=AT + 29 * SECOND) == 0
    assert announce_due(store, prefect, at=AT + 30 * SECOND) == 1
    assert prefect.payloads == [claimed_event(1, 1)]


def test_two_concurrent_relays_send_each_event_once(store: Store, prefect: Prefect) -> None:
    for _ in range(3):
        finish(store)
    start = threading.Barrier(8)

    def relay(_: int) -> int:
        start.wait()
        return announce_due(store, prefect, at=AT)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(relay, range(8))) == 4, "with the finished group"
    assert prefect.payloads == [claimed_event(3, 3), finished_event(3, 3), ENDED]


def test_the_relay_thread_resumes_when_prefect_comes_back(store: Store, prefect: Prefect) -> None:
    prefect.is_away = True
    finish(store)
    attempted = threading.Event()

    def tell(events: Sequence[Event]) -> None:
        attempted.set()
        prefect(events)

    with Relay(store, tell, every_seconds=0.01):
        assert attempted.wait(PATIENCE_SECONDS)
        assert claim(store).status == "in_progress", "a claim does not wait for Prefect"
        prefect.is_away = False
        wait_until(lambda: count_pending(store)[:2] == (0, 0))
    assert sum(payload["count"] for name, payload in prefect.payloads if "claimed" in name) == 2
