"""Tell Prefect what was committed: claims, finished tasks, complete groups.

Each transaction leaves what there is to tell in the store; a relay tells it, at least once, in its
own time. Prefect is a function here, so that nobody else waits for it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.events import (
    Event,
    group_event,
    pipeline_finished_event,
    target_reached_event,
    tasks_claimed_event,
    tasks_finished_event,
)
from tasks_lib.domain.report import Report
from tasks_lib.operations.background import Background
from tasks_lib.store import announcements, catalogue, infinite_seedings
from tasks_lib.store.announcements import Backlog
from tasks_lib.store.engine import Store
from tasks_lib.store.tables import TaskGroupRow

Tell = Callable[[Sequence[Event]], None]
"""Hands events to Prefect and returns once it has them; raises PrefectUnavailableError."""

_BETWEEN_EVENTS: Final = timedelta(seconds=1)
_LEASE: Final = timedelta(seconds=30)
_EVENTS_AT_ONCE: Final = 100
_GROUPS_AT_ONCE: Final = 500


class Waiting(NamedTuple):
    """What has not been told yet, over all pipelines."""

    claims: int
    finished_tasks: int
    groups: int


def waiting(store: Store) -> Waiting:
    """Return how much there is to tell."""
    with store.read() as session:
        backlogs = announcements.backlogs(session)
        groups = announcements.count_groups(session)
    claims = sum(backlog.new_claims for backlog in backlogs)
    return Waiting(claims, sum(backlog.newly_finished for backlog in backlogs), groups)


def announce_due(store: Store, tell: Tell, *, at: datetime) -> int:
    """Tell what is due; return how many events that took.

    Of a pipeline there is one event of a kind at most every second. Another relay may tell at the
    same time; one that is cut off has told, and the next one tells again. Raises what ``tell``
    raises; what it did not take is still due then.
    """
    moves = _announce_moves(store, tell, at)
    return moves + _announce_groups(store, tell, at) + _announce_targets(store, tell)


def created_event(store: Store, pipeline: Pipeline, report: Report) -> Event:
    """Return the event that tells of the group that a report is about; the same every time."""
    assert report.group_id is not None  # noqa: S101
    with store.read() as session:
        group = session.get_one(TaskGroupRow, report.group_id)
    return group_event(pipeline, report, group.created_at.isoformat())


def mark_announced(store: Store, group_id: int) -> None:
    """Note that Prefect has been told of the group."""
    with store.write() as session:
        announcements.mark_groups(session, [group_id])


def _announce_moves(store: Store, tell: Tell, at: datetime) -> int:
    with store.read() as session:
        due = _due(session, at)
    if not due:
        return 0
    with store.write() as session:
        mine = announcements.lease(session, sorted(due), at=at, until=at + _LEASE)
        # What another relay has told meanwhile is no news any more.
        due = {number: found for number, found in _due(session, at).items() if number in mine}
        events = [
            event
            for number, backlog in due.items()
            for event in _events_of(catalogue.find_pipeline(session, str(number)), backlog, at)
        ]
    told: Collection[Backlog] = ()
    try:
        _tell_all(tell, events)
        told = due.values()
    finally:
        with store.write() as session:
            announcements.record(session, told, at=at)
            announcements.give_back(session, mine)
    return len(events)


def _due(session: Session, at: datetime) -> dict[int, Backlog]:
    """Return what is to be told now, by pipeline."""
    return {
        backlog.pipeline_id: backlog
        for backlog in announcements.backlogs(session)
        if _is_due(backlog, at)
    }


def _is_due(backlog: Backlog, at: datetime) -> bool:
    return backlog.announced_at is None or backlog.announced_at + _BETWEEN_EVENTS <= at


def _events_of(pipeline: Pipeline, backlog: Backlog, at: datetime) -> Iterator[Event]:
    act = at.isoformat()
    if backlog.new_claims:
        yield tasks_claimed_event(pipeline, backlog.new_claims, backlog.claims, act)
    if backlog.newly_finished:
        yield tasks_finished_event(pipeline, backlog.newly_finished, backlog.finished, act)
    if backlog.has_ended:
        yield pipeline_finished_event(pipeline, backlog.finished, act)


def _announce_groups(store: Store, tell: Tell, at: datetime) -> int:
    told = 0
    while True:
        with store.read() as session:
            groups = announcements.due_groups(session, at=at, limit=_GROUPS_AT_ONCE)
            events = [
                _event_of(catalogue.find_pipeline(session, str(group.pipeline_id)), group)
                for group in groups
            ]
        if not groups:
            return told
        _tell_all(tell, events)
        with store.write() as session:
            announcements.mark_groups(session, [group.id for group in groups])
        told += len(events)


def _event_of(pipeline: Pipeline, group: TaskGroupRow) -> Event:
    report = Report(
        group_id=group.id,
        pipeline_id=pipeline.id,
        created=group.task_count,
        rejected=group.rejected_count,
        source=group.source,
    )
    return group_event(pipeline, report, group.created_at.isoformat())


def _announce_targets(store: Store, tell: Tell) -> int:
    """Tell of pipelines that infinite seeding has filled up."""
    with store.read() as session:
        reached = infinite_seedings.reached_untold(session)
        events = [
            target_reached_event(
                catalogue.find_pipeline(session, str(pipeline_id)), target, at.isoformat()
            )
            for pipeline_id, at, target in reached
        ]
    if not events:
        return 0
    _tell_all(tell, events)
    with store.write() as session:
        for pipeline_id, at, _ in reached:
            infinite_seedings.mark_reached(session, pipeline_id, at)
    return len(events)


def _tell_all(tell: Tell, events: Sequence[Event]) -> None:
    for first in range(0, len(events), _EVENTS_AT_ONCE):
        tell(events[first : first + _EVENTS_AT_ONCE])


class Relay(Background):
    """A thread that tells what is due, every second, for as long as a block lasts."""

    def __init__(self, store: Store, tell: Tell, *, every_seconds: float = 1.0) -> None:
        def act() -> None:
            announce_due(store, tell, at=datetime.now(UTC))

        super().__init__("relay", act, every_seconds=every_seconds)
