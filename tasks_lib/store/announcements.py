"""The outbox of claims and finished tasks that have not been announced to Prefect yet.

The counts are the outbox: they are committed with every move, and the difference to the announced
numbers is pending. So there is never more than one row per pipeline.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, case, func, literal, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from tasks_lib.domain.lifecycle import DONE
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.dialect import upsert
from tasks_lib.store.leases import is_over
from tasks_lib.store.tables.announcements import AnnouncementRow
from tasks_lib.store.tables.counts import TaskCountRow
from tasks_lib.store.tables.retention import RetentionRow

_LEFT: Final = tuple(status.value for status in TaskStatus if status not in DONE)


class Backlog(NamedTuple):
    """A pipeline's claims and finished tasks: ever, and those that were not announced yet.

    ``has_ended``: all tasks are finished or withdrawn, and this was not announced for that many
    finished tasks yet.
    """

    pipeline_id: int
    claims: int
    new_claims: int
    finished: int
    newly_finished: int
    has_ended: bool
    announced_at: datetime | None = None


def list_backlogs(session: Session) -> list[Backlog]:
    """Return the pipelines that have something to announce, by id."""
    counts = TaskCountRow.__table__.c
    announced = AnnouncementRow.__table__.c
    deleted = func.coalesce(RetentionRow.__table__.c.finished, 0)
    claims, finished = func.sum(counts.claims), func.sum(counts.finished) + deleted
    left = func.sum(sum((counts[name] for name in _LEFT[1:]), counts[_LEFT[0]]))
    known_claims = func.coalesce(announced.claims, 0)
    known_finished = func.coalesce(announced.finished, 0)
    known_completed = func.coalesce(announced.completed, 0)
    known = (known_claims, known_finished, known_completed)
    statement = (
        select(counts.pipeline_id, claims, finished, left, *known, announced.announced_at)
        .join_from(
            TaskCountRow, AnnouncementRow, counts.pipeline_id == announced.pipeline_id, isouter=True
        )
        .join(RetentionRow, RetentionRow.pipeline_id == counts.pipeline_id, isouter=True)
        .group_by(counts.pipeline_id, deleted, *known, announced.announced_at)
        .having(
            or_(
                claims > known_claims,
                finished > known_finished,
                _ended(finished, left, known_completed),
            )
        )
        .order_by(counts.pipeline_id)
    )
    return [_backlog(*row) for row in session.execute(statement)]


def _backlog(
    pipeline_id: int,
    claims: int,
    finished: int,
    left: int,
    announced_claims: int,
    announced_finished: int,
    announced_completed: int,
    announced_at: datetime | None,
) -> Backlog:
    return Backlog(
        pipeline_id=pipeline_id,
        claims=int(claims),
        new_claims=int(claims) - announced_claims,
        finished=int(finished),
        newly_finished=int(finished) - announced_finished,
        has_ended=bool(left == 0 and finished > announced_completed),
        announced_at=announced_at,
    )


def _ended(
    finished: ColumnElement[int], left: ColumnElement[int], completed: ColumnElement[int]
) -> ColumnElement[bool]:
    return (left == 0) & (finished > completed)


def acquire_leases(
    session: Session, pipeline_ids: Sequence[int], *, at: datetime, lasts: timedelta
) -> set[int]:
    """Acquire the right to announce these pipelines for a while; return those acquired."""
    if not pipeline_ids:
        return set()
    empty = {"claims": 0, "finished": 0, "completed": 0}
    session.execute(
        upsert(session, AnnouncementRow, ["pipeline_id"]),
        [{"pipeline_id": pipeline_id, **empty} for pipeline_id in sorted(pipeline_ids)],
    )
    is_free = is_over(AnnouncementRow.leased_until, at=at, longest=lasts)
    statement = (
        update(AnnouncementRow)
        .where(AnnouncementRow.pipeline_id.in_(pipeline_ids), is_free)
        .values(leased_until=at + lasts)
    )
    return set(session.scalars(statement.returning(AnnouncementRow.pipeline_id)))


def record_announced(session: Session, backlogs: Iterable[Backlog], *, at: datetime) -> None:
    """Record what was announced; the numbers only grow."""
    for backlog in backlogs:
        completed = backlog.finished if backlog.has_ended else 0
        session.execute(
            update(AnnouncementRow)
            .where(AnnouncementRow.pipeline_id == backlog.pipeline_id)
            .values(
                claims=_larger(AnnouncementRow.claims, backlog.claims),
                finished=_larger(AnnouncementRow.finished, backlog.finished),
                completed=_larger(AnnouncementRow.completed, completed),
                announced_at=at,
            )
        )


def release_leases(session: Session, pipeline_ids: Iterable[int]) -> None:
    """Let others announce these pipelines again."""
    session.execute(
        update(AnnouncementRow)
        .where(AnnouncementRow.pipeline_id.in_(list(pipeline_ids)))
        .values(leased_until=None)
    )


def _larger(column: InstrumentedAttribute[int], number: int) -> ColumnElement[int]:
    return case((column < literal(number), number), else_=column)
