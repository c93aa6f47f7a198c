"""Announce committed claims, finished tasks, seedings and failed chains to Prefect, as events.

Each transaction leaves its events pending in the store; a relay sends them later, at least once, so
that no transaction waits for Prefect. Prefect is a function here.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.events import (
    Event,
    chain_failed_event,
    pipeline_finished_event,
    report_events,
    target_reached_event,
    tasks_claimed_event,
    tasks_finished_event,
)
from tasks_lib.domain.report import Report
from tasks_lib.errors import Problem
from tasks_lib.operations.background import Background
from tasks_lib.operations.chains.wake import make_wake_event, take_back
from tasks_lib.store import announcements, catalogue, chains, infinite_seedings, task_groups
from tasks_lib.store.announcements import Backlog
from tasks_lib.store.engine import Store
from tasks_lib.store.task_groups import StoredGroup

Publish = Callable[[Sequence[Event]], None]
"""Sends events to Prefect and returns once it has them; raises PrefectUnavailableError."""

_BETWEEN_EVENTS: Final = timedelta(seconds=1)
_LEASE: Final = timedelta(seconds=30)
_EVENTS_AT_ONCE: Final = 100
_SEEDINGS_AT_ONCE: Final = 500


class Pending(NamedTuple):
    """The counts of events that have not been announced yet, over all pipelines.

    ``groups`` includes the rejections of sources, which have no group.
    """

    claims: int
    finished_tasks: int
    groups: int


def count_pending(store: Store) -> Pending:
    """Return how many claims, finished tasks and groups have not been announced yet."""
    with store.read() as session:
        backlogs = announcements.list_backlogs(session)
        groups = task_groups.count_unannounced(session)
        groups += task_groups.count_unannounced_reports(session)
    claims = sum(backlog.new_claims for backlog in backlogs)
    return Pending(claims, sum(backlog.newly_finished for backlog in backlogs), groups)


def announce_due(store: Store, publish: Publish, *, at: datetime) -> int:
    """Publish the events that are due; return their number.

    A pipeline has at most one event of a kind per second. Several relays can do this at once. If
    one is interrupted, the next call sends its events again. Raises what ``publish`` raises; events
    that were not sent are still due then.
    """
    return (
        _announce_moves(store, publish, at)
        + _announce_reports(store, publish, at)
        + _announce_groups(store, publish, at)
        + _announce_targets(store, publish)
        + _announce_failures(store, publish)
    )


def mark_announced(store: Store, run_id: str) -> None:
    """Record that the report of a run was announced by the run itself."""
    with store.write() as session:
        task_groups.mark_reports_announced(session, [run_id])


def _announce_moves(store: Store, publish: Publish, at: datetime) -> int:
    with store.read() as session:
        due = _list_due(session, at)
    if not due:
        return 0
    with store.write() as session:
        pipeline_ids = sorted(backlog.pipeline_id for backlog in due)
        leased = announcements.acquire_leases(session, pipeline_ids, at=at, lasts=_LEASE)
        # Read again: another relay may have announced some of them meanwhile.
        due = [backlog for backlog in _list_due(session, at) if backlog.pipeline_id in leased]
        events = [
            event
            for backlog in due
            for event in _events_of(
                catalogue.get_pipeline(session, backlog.pipeline_id), backlog, at
            )
        ]
        wake_up = make_wake_event(session, due, at=at)
    if wake_up is not None:
        events = [wake_up, *events]
    announced: Sequence[Backlog] = ()
    try:
        _publish_all(publish, events)
        announced = due
    finally:
        with store.write() as session:
            announcements.record_announced(session, announced, at=at)
            announcements.release_leases(session, leased)
            if wake_up is not None and not announced:
                take_back(session, at=at)
    return len(events)


def _list_due(session: Session, at: datetime) -> list[Backlog]:
    return [backlog for backlog in announcements.list_backlogs(session) if _is_due(backlog, at)]


def _is_due(backlog: Backlog, at: datetime) -> bool:
    """Tell whether the last event is long enough ago; one in the future had a wrong clock."""
    return backlog.announced_at is None or abs(at - backlog.announced_at) >= _BETWEEN_EVENTS


def _events_of(pipeline: Pipeline, backlog: Backlog, at: datetime) -> Iterator[Event]:
    act = at.isoformat()
    if backlog.new_claims:
        yield tasks_claimed_event(pipeline, backlog.new_claims, backlog.claims, act)
    if backlog.newly_finished:
        yield tasks_finished_event(pipeline, backlog.newly_finished, backlog.finished, act)
    if backlog.has_ended:
        yield pipeline_finished_event(pipeline, backlog.finished, act)


def _announce_reports(store: Store, publish: Publish, at: datetime) -> int:
    """Announce the seedings whose runs have a report, with what they rejected."""
    announced = 0
    while True:
        with store.read() as session:
            reports = task_groups.list_unannounced_reports(session, at=at, limit=_SEEDINGS_AT_ONCE)
            events = [
                event
                for run_id, run_url, report in reports
                for event in report_events(
                    catalogue.get_pipeline(session, report.pipeline_id), report, run_id, run_url
                )
            ]
        if not reports:
            return announced
        _publish_all(publish, events)
        with store.write() as session:
            task_groups.mark_reports_announced(session, [report.run_id for report in reports])
        announced += len(events)


def _announce_groups(store: Store, publish: Publish, at: datetime) -> int:
    """Announce the groups without a report: those of chains, requests and infinite seeding."""
    announced = 0
    while True:
        with store.read() as session:
            groups = task_groups.list_unannounced(session, at=at, limit=_SEEDINGS_AT_ONCE)
            events = [
                event
                for group in groups
                for event in _events_of_group(
                    catalogue.get_pipeline(session, group.pipeline_id), group
                )
            ]
        if not groups:
            return announced
        _publish_all(publish, events)
        with store.write() as session:
            task_groups.mark_announced(session, [group.id for group in groups])
        announced += len(events)


def _events_of_group(pipeline: Pipeline, group: StoredGroup) -> Sequence[Event]:
    report = Report(
        group_id=group.id,
        pipeline_id=pipeline.id,
        created=group.task_count,
        rejected=group.rejected_count,
        source=group.source,
    )
    return report_events(pipeline, report, group.created_at.isoformat())


def _announce_failures(store: Store, publish: Publish) -> int:
    """Announce the chains that have failed, once for each reason."""
    with store.read() as session:
        failed = chains.list_unannounced_failures(session)
        events = [
            chain_failed_event(
                catalogue.get_pipeline(session, chain.target_pipeline_id),
                catalogue.get_pipeline(session, chain.source_pipeline_id).path,
                chain.id,
                Problem(chain.error_code or "", chain.error_message or ""),
                chain.failed_at.isoformat() if chain.failed_at is not None else "",
            )
            for chain in failed
        ]
    if not events:
        return 0
    _publish_all(publish, events)
    with store.write() as session:
        for chain in failed:
            chains.mark_failure_announced(session, chain)
    return len(events)


def _announce_targets(store: Store, publish: Publish) -> int:
    """Announce the pipelines that have reached the target of their infinite seeding."""
    with store.read() as session:
        reached = infinite_seedings.list_unannounced(session)
        events = [
            target_reached_event(
                catalogue.get_pipeline(session, one.pipeline_id),
                one.target,
                one.reached_at.isoformat(),
            )
            for one in reached
        ]
    if not events:
        return 0
    _publish_all(publish, events)
    with store.write() as session:
        for one in reached:
            infinite_seedings.mark_announced(session, one)
    return len(events)


def _publish_all(publish: Publish, events: Sequence[Event]) -> None:
    for first in range(0, len(events), _EVENTS_AT_ONCE):
        publish(events[first : first + _EVENTS_AT_ONCE])


class Relay(Background):
    """A thread that sends the events that are due, every second, while a block runs."""

    def __init__(self, store: Store, publish: Publish, *, every_seconds: float = 1.0) -> None:
        def act() -> None:
            announce_due(store, publish, at=store.now())

        super().__init__("relay", act, every_seconds=every_seconds)
