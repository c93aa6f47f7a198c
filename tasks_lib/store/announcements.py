"""What Prefect has still to be told: of claims, of finished tasks, of complete groups.

The counts are the outbox: they are committed with every move, and what they say beyond what was
announced is due. So it never holds more than a row for each pipeline, and one for each group.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from tasks_lib.store.counts import STATUS_COLUMNS
from tasks_lib.store.tables import AnnouncementRow, TaskCountRow, TaskGroupRow


class Backlog(NamedTuple):
    """What is to be told of a pipeline: all claims and finished tasks, and how many are news.

    ``has_ended`` says that all tasks are finished, and that this was not told for so many yet.
    """

    pipeline_id: int
    claims: int
    new_claims: int
    finished: int
    newly_finished: int
    has_ended: bool
    announced_at: datetime | None = None


def backlogs(session: Session) -> list[Backlog]:
    """Return what is to be told, by pipeline."""
    counts = TaskCountRow.__table__.c
    told = AnnouncementRow.__table__.c
    claims, finished = func.sum(counts.claims), func.sum(counts.finished)
    total = func.sum(sum((counts[name] for name in STATUS_COLUMNS[1:]), counts[STATUS_COLUMNS[0]]))
    known = [func.coalesce(told[name], 0) for name in ("claims", "finished", "completed")]
    statement = (
        select(counts.pipeline_id, claims, finished, total, *known, told.announced_at)
        .join_from(
            TaskCountRow, AnnouncementRow, counts.pipeline_id == told.pipeline_id, isouter=True
        )
        .group_by(counts.pipeline_id, *known, told.announced_at)
        .having(or_(claims > known[0], finished > known[1], _ended(finished, total, known[2])))
        .order_by(counts.pipeline_id)
    )
    return [_backlog(*row) for row in session.execute(statement)]


def _backlog(
    pipeline_id: int,
    claims: int,
    finished: int,
    total: int,
    told_claims: int,
    told_finished: int,
    told_completed: int,
    announced_at: datetime | None,
) -> Backlog:
    return Backlog(
        pipeline_id=pipeline_id,
        claims=int(claims),
        new_claims=int(claims) - told_claims,
        finished=int(finished),
        newly_finished=int(finished) - told_finished,
        has_ended=bool(finished == total and finished > told_completed),
        announced_at=announced_at,
    )


def _ended(
    finished: ColumnElement[int], total: ColumnElement[int], completed: ColumnElement[int]
) -> ColumnElement[bool]:
    return (finished == total) & (finished > completed)


def lease(
    session: Session, pipeline_ids: Sequence[int], *, at: datetime, until: datetime
) -> set[int]:
    """Take the telling of these pipelines until then; return those that nobody else has taken."""
    if not pipeline_ids:
        return set()
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert if is_postgresql else sqlite.insert
    empty = {"claims": 0, "finished": 0, "completed": 0}
    session.execute(
        insert(AnnouncementRow).on_conflict_do_nothing(index_elements=["pipeline_id"]),
        [{"pipeline_id": pipeline_id, **empty} for pipeline_id in sorted(pipeline_ids)],
    )
    is_free = or_(AnnouncementRow.leased_until.is_(None), AnnouncementRow.leased_until <= at)
    taken = update(AnnouncementRow).where(AnnouncementRow.pipeline_id.in_(pipeline_ids), is_free)
    return set(
        session.scalars(taken.values(leased_until=until).returning(AnnouncementRow.pipeline_id))
    )


def record(session: Session, told: Iterable[Backlog], *, at: datetime) -> None:
    """Note what was told; numbers only ever grow."""
    for backlog in told:
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


def give_back(session: Session, pipeline_ids: Iterable[int]) -> None:
    """Let others tell of these pipelines again."""
    session.execute(
        update(AnnouncementRow)
        .where(AnnouncementRow.pipeline_id.in_(list(pipeline_ids)))
        .values(leased_until=None)
    )


def due_groups(session: Session, *, at: datetime, limit: int) -> list[TaskGroupRow]:
    """Return groups that nobody has told of in time, oldest first."""
    statement = select(TaskGroupRow).where(TaskGroupRow.announce_at <= at)
    return list(session.scalars(statement.order_by(TaskGroupRow.announce_at).limit(limit)))


def mark_groups(session: Session, group_ids: Iterable[int]) -> None:
    """Note that Prefect has been told of these groups."""
    session.execute(
        update(TaskGroupRow)
        .where(TaskGroupRow.id.in_(list(group_ids)))
        .values(announce_at=None)
        .execution_options(synchronize_session=False)
    )


def count_groups(session: Session) -> int:
    """Return how many groups Prefect has not been told of."""
    statement = select(func.count()).where(TaskGroupRow.announce_at.is_not(None))
    return session.scalar(statement) or 0


def _larger(column: InstrumentedAttribute[int], number: int) -> ColumnElement[int]:
    return case((column < literal(number), number), else_=column)
