"""What waits for chains: finished tasks, put here by what finishes them and taken by a drain."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import CursorResult, delete, func, insert, literal, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.domain.problems import Problem
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.tables import ChainInboxRow, ChainRow, TaskRow

_LOCK: Final = "hashtextextended('seeding chains of ' || :pipeline_id, 0)"
_SQLITE_IDS: Final = 500


class Waiting(NamedTuple):
    """How many tasks wait for a chain, how many of them do not fit, and since when the oldest."""

    tasks: int
    misfits: int
    oldest_at: datetime | None


def share_chains(session: Session, pipeline_id: int) -> None:
    """Keep chains from being made or deleted while a task is finished; PostgreSQL only.

    It comes before the statement that reads the chains, which sees what was committed before it
    began. The lock lasts until the transaction's end, costs no write, and is free for all who share
    it.
    """
    session.execute(
        text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})"), {"pipeline_id": str(pipeline_id)}
    )


def hold_chains(session: Session, pipeline_id: int) -> None:
    """Wait for tasks that are being finished, and keep others waiting, until the transaction ends.

    On SQLite the write lock does that.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(
            text(f"SELECT pg_advisory_xact_lock({_LOCK})"), {"pipeline_id": str(pipeline_id)}
        )


def put_into_inboxes(
    session: Session, pipeline_id: int, task_ids: Sequence[int], at: datetime
) -> None:
    """Let the finished tasks wait for each chain of their pipeline, on SQLite."""
    for first in range(0, len(task_ids), _SQLITE_IDS):
        chosen = TaskRow.id.in_(task_ids[first : first + _SQLITE_IDS])
        waiting = (
            select(ChainRow.id, TaskRow.id, literal(at, ChainInboxRow.finished_at.type))
            .join(TaskRow, TaskRow.pipeline_id == ChainRow.source_pipeline_id)
            .where(ChainRow.source_pipeline_id == pipeline_id, chosen)
        )
        session.execute(
            insert(ChainInboxRow).from_select(["chain_id", "task_id", "finished_at"], waiting)
        )


def put_existing(session: Session, chain: ChainRow) -> int:
    """Let all tasks that the source has finished wait for a new chain; return how many."""
    finished_at = func.coalesce(TaskRow.finished_at, chain.created_at)
    waiting = select(literal(chain.id), TaskRow.id, finished_at).where(
        TaskRow.pipeline_id == chain.source_pipeline_id,
        TaskRow.status == TaskStatus.FINISHED.value,
    )
    statement = insert(ChainInboxRow).from_select(["chain_id", "task_id", "finished_at"], waiting)
    return _affected(session, statement)


def waiting(session: Session, chain_id: int) -> Waiting:
    """Return what waits for the chain."""
    tasks, misfits, oldest_at = session.execute(
        select(
            func.count(), func.count(ChainInboxRow.error_code), func.min(ChainInboxRow.finished_at)
        ).where(ChainInboxRow.chain_id == chain_id)
    ).one()
    return Waiting(tasks, misfits, oldest_at)


def misfits(session: Session, chain_id: int, limit: int) -> list[ChainInboxRow]:
    """Return the first tasks that did not fit."""
    statement = select(ChainInboxRow).where(
        ChainInboxRow.chain_id == chain_id, ChainInboxRow.error_code.is_not(None)
    )
    return list(session.scalars(statement.order_by(ChainInboxRow.task_id).limit(limit)))


def has_due(session: Session, chain_id: int) -> bool:
    """Tell whether a task waits that is not known to be a misfit."""
    due = select(ChainInboxRow.task_id).where(
        ChainInboxRow.chain_id == chain_id, ChainInboxRow.error_code.is_(None)
    )
    return session.scalar(due.limit(1)) is not None


def take(session: Session, chain_id: int, stream_id: int, *, up_to: int | None = None) -> int:
    """Take away what has gone into the stream, of all tasks or those up to a number."""
    made = select(TaskRow.id).where(
        TaskRow.stream_id == stream_id, TaskRow.origin_id == ChainInboxRow.task_id
    )
    statement = delete(ChainInboxRow).where(ChainInboxRow.chain_id == chain_id, made.exists())
    if up_to is not None:
        statement = statement.where(ChainInboxRow.task_id <= up_to)
    return _affected(session, statement)


def empty(session: Session, chain_id: int) -> None:
    """Take everything away, because the chain is deleted."""
    session.execute(delete(ChainInboxRow).where(ChainInboxRow.chain_id == chain_id))


def mark_misfits(
    session: Session, chain_id: int, problems: Iterable[Problem], at: datetime
) -> None:
    """Note why tasks did not fit; each problem's row is the task's number."""
    rows = [
        {
            "chain_id": chain_id,
            "task_id": problem.row,
            "tried_at": at,
            "error_code": problem.code,
            "error_message": f"{problem.field}: {problem.message}",
        }
        for problem in problems
    ]
    if rows:
        session.execute(update(ChainInboxRow), rows)


def forgive(session: Session, chain_id: int) -> None:
    """Let the misfits be tried again."""
    session.execute(
        update(ChainInboxRow)
        .where(ChainInboxRow.chain_id == chain_id, ChainInboxRow.error_code.is_not(None))
        .values(error_code=None, error_message=None)
    )


def _affected(session: Session, statement: Any) -> int:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount
