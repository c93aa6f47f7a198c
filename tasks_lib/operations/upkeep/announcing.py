"""Announce committed claims, finished tasks, seedings and failed chains to Prefect, as events.

Each transaction leaves its events pending in the store; a relay sends them later, at least once, so
that no transaction waits for Prefect. Prefect is a function here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.events import (
    Event,
    chain_failed_event,
    group_finished_event,
    group_undone_event,
    pipeline_finished_event,
    report_events,
    results_exported_event,
    target_reached_event,
    tasks_claimed_event,
    tasks_finished_event,
)
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import GroupState, TaskStatus
from tasks_lib.errors import Problem
from tasks_lib.operations.background import Background
from tasks_lib.operations.chains.wake import make_group_wake_event, make_wake_event, take_back
from tasks_lib.operations.groups.finish import settle_groups
from tasks_lib.operations.waiting.suspended import FlowRuns, resume_due
from tasks_lib.store import announcements, catalogue, infinite_seedings
from tasks_lib.store.announcements import Backlog
from tasks_lib.store.chains import chains
from tasks_lib.store.chains.chains import StoredChain
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import finished_groups, task_groups
from tasks_lib.store.groups.task_groups import StoredGroup, StoredReport
from tasks_lib.store.infinite_seedings import ReachedTarget
from tasks_lib.store.results import result_exports
from tasks_lib.store.results.result_exports import StoredExport
from tasks_lib.store.tasks.counts import get_group_counts

Publish = Callable[[Sequence[Event]], None]
"""Sends events to Prefect and returns once it has them; raises PrefectUnavailableError."""

Entry = TypeVar("Entry")

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
        groups += finished_groups.count_unannounced(session)
    claims = sum(backlog.new_claims for backlog in backlogs)
    return Pending(claims, sum(backlog.newly_finished for backlog in backlogs), groups)


def announce_due(store: Store, publish: Publish, *, at: datetime) -> int:
    """Publish the events that are due; return their number.

    A pipeline has at most one event of a kind per second. Several relays can do this at once. If
    one is interrupted, the next call sends its events again. Raises what ``publish`` raises; events
    that were not sent are still due then.
    """
    settle_groups(store, at=at)
    announced = _announce_moves(store, publish, at)
    announced += _announce_finished_groups(store, publish, at)
    return announced + sum(outbox(at).announce(store, publish) for outbox in _OUTBOXES)


def _announce_finished_groups(store: Store, publish: Publish, at: datetime) -> int:
    """Publish the events of finished groups; return their number."""
    announced = 0
    while True:
        with store.read() as session:
            if not finished_groups.has_unannounced(session, at=at):
                return announced
        with store.write() as session:
            groups = finished_groups.acquire_unannounced(
                session, at=at, lasts=_LEASE, limit=_SEEDINGS_AT_ONCE
            )
            events = [_finished_event(session, group) for group in groups]
            pipeline_ids = [group.pipeline_id for group in groups]
            wake_up = make_group_wake_event(session, pipeline_ids, at=at)
        if wake_up is not None:
            events = [wake_up, *events]
        is_announced = False
        try:
            _publish_all(publish, events)
            is_announced = True
        finally:
            with store.write() as session:
                for group in groups:
                    finished_groups.end_announcing(session, group, is_announced=is_announced)
                if wake_up is not None and not is_announced:
                    take_back(session, at=at)
        announced += len(events)


def _finished_event(session: Session, group: StoredGroup) -> Event:
    counts = get_group_counts(session, group.pipeline_id, [group.id])[group.id]
    return group_finished_event(
        catalogue.get_pipeline(session, group.pipeline_id),
        group.id,
        finished=counts[TaskStatus.FINISHED],
        withdrawn=counts[TaskStatus.WITHDRAWN],
        act=group.finished_at.isoformat() if group.finished_at is not None else "",
        naming=group.naming,
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


class _Outbox(ABC, Generic[Entry]):
    """The entries of one kind whose events should have been announced by ``at``."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def announce(self, store: Store, publish: Publish) -> int:
        """Publish the events of all entries; return their number."""
        announced = 0
        while True:
            with store.read() as session:
                entries = self.list_due(session)
                events = [event for entry in entries for event in self.events_of(session, entry)]
            if not entries:
                return announced
            _publish_all(publish, events)
            with store.write() as session:
                self.mark_announced(session, entries)
            announced += len(events)

    @abstractmethod
    def list_due(self, session: Session) -> Sequence[Entry]:
        """Return some of the entries; none if there are no more."""

    @abstractmethod
    def events_of(self, session: Session, entry: Entry) -> Sequence[Event]:
        """Return the events of an entry, with what the store knows of its pipelines."""

    @abstractmethod
    def mark_announced(self, session: Session, entries: Sequence[Entry]) -> None:
        """Record that these entries were announced, as they were listed."""


class _Reports(_Outbox[StoredReport]):
    """The seedings whose runs have a report, with the rows that they rejected."""

    def list_due(self, session: Session) -> Sequence[StoredReport]:
        return task_groups.list_unannounced_reports(session, at=self.at, limit=_SEEDINGS_AT_ONCE)

    def events_of(self, session: Session, entry: StoredReport) -> Sequence[Event]:
        pipeline = catalogue.get_pipeline(session, entry.report.pipeline_id)
        return report_events(pipeline, entry.report, entry.run_id, entry.run_url, entry.naming)

    def mark_announced(self, session: Session, entries: Sequence[StoredReport]) -> None:
        task_groups.mark_reports_announced(session, [entry.run_id for entry in entries])


class _Groups(_Outbox[StoredGroup]):
    """Undone groups, and those without a report: of chains, requests and infinite seeding."""

    def list_due(self, session: Session) -> Sequence[StoredGroup]:
        return task_groups.list_unannounced(session, at=self.at, limit=_SEEDINGS_AT_ONCE)

    def events_of(self, session: Session, entry: StoredGroup) -> Sequence[Event]:
        pipeline = catalogue.get_pipeline(session, entry.pipeline_id)
        if entry.state is GroupState.UNDONE and entry.undone_at is not None:
            undone = group_undone_event(
                pipeline,
                entry.id,
                removed=entry.removed_count,
                kept=entry.task_count,
                by=entry.undone_by or "",
                act=entry.undone_at.isoformat(),
                naming=entry.naming,
            )
            return [undone]
        report = Report(
            group_id=entry.id,
            pipeline_id=entry.pipeline_id,
            created=entry.task_count,
            rejected=entry.rejected_count,
            source=entry.source,
        )
        act = entry.created_at.isoformat()
        return report_events(pipeline, report, act, naming=entry.naming)

    def mark_announced(self, session: Session, entries: Sequence[StoredGroup]) -> None:
        task_groups.mark_announced(session, entries)


class _Targets(_Outbox[ReachedTarget]):
    """The pipelines that have reached the target of their infinite seeding."""

    def list_due(self, session: Session) -> Sequence[ReachedTarget]:
        return infinite_seedings.list_unannounced(session)

    def events_of(self, session: Session, entry: ReachedTarget) -> Sequence[Event]:
        pipeline = catalogue.get_pipeline(session, entry.pipeline_id)
        return [target_reached_event(pipeline, entry.target, entry.reached_at.isoformat())]

    def mark_announced(self, session: Session, entries: Sequence[ReachedTarget]) -> None:
        for entry in entries:
            infinite_seedings.mark_announced(session, entry)


class _Failures(_Outbox[StoredChain]):
    """The chains that have failed, once for each reason."""

    def list_due(self, session: Session) -> Sequence[StoredChain]:
        return chains.list_unannounced_failures(session)

    def events_of(self, session: Session, entry: StoredChain) -> Sequence[Event]:
        event = chain_failed_event(
            catalogue.get_pipeline(session, entry.target_pipeline_id),
            catalogue.get_pipeline(session, entry.source_pipeline_id).path,
            entry.id,
            Problem(entry.error_code or "", entry.error_message or ""),
            entry.failed_at.isoformat() if entry.failed_at is not None else "",
        )
        return [event]

    def mark_announced(self, session: Session, entries: Sequence[StoredChain]) -> None:
        for entry in entries:
            chains.mark_failure_announced(session, entry)


class _Exports(_Outbox[StoredExport]):
    """The exports of results that had news."""

    def list_due(self, session: Session) -> Sequence[StoredExport]:
        return result_exports.list_unannounced(session, at=self.at, limit=_SEEDINGS_AT_ONCE)

    def events_of(self, session: Session, entry: StoredExport) -> Sequence[Event]:
        event = results_exported_event(
            catalogue.get_pipeline(session, entry.pipeline_id),
            destination=entry.destination,
            group_id=entry.group_id,
            exported=entry.exported,
            until=entry.exported_until,
        )
        return [event]

    def mark_announced(self, session: Session, entries: Sequence[StoredExport]) -> None:
        result_exports.mark_announced(session, entries)


_OUTBOXES: Final[Sequence[type[_Outbox[Any]]]] = (
    _Reports,
    _Groups,
    _Targets,
    _Failures,
    _Exports,
)


def _publish_all(publish: Publish, events: Sequence[Event]) -> None:
    for first in range(0, len(events), _EVENTS_AT_ONCE):
        publish(events[first : first + _EVENTS_AT_ONCE])


class Relay(Background):
    """A thread that sends the events that are due, every second, while a block runs.

    It also resumes the flow runs that have waited for groups, if ``runs`` are given.
    """

    def __init__(
        self,
        store: Store,
        publish: Publish,
        runs: FlowRuns | None = None,
        *,
        every_seconds: float = 1.0,
    ) -> None:
        def act() -> None:
            if runs is not None:
                resume_due(store, runs, at=store.now())
            announce_due(store, publish, at=store.now())

        super().__init__("relay", act, every_seconds=every_seconds)
