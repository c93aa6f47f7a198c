"""The inboxes of chains: finished tasks that wait to become tasks of the target pipeline.

The statement that finishes a task puts it here; the transaction that creates the target's task
removes it.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import delete, func, insert, literal, or_, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import Problem
from tasks_lib.store.chains.chains import StoredChain
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.chains import ChainInboxRow, ChainRow
from tasks_lib.store.tables.counts import GroupCountRow
from tasks_lib.store.tables.removal import RemovedRow
from tasks_lib.store.tables.tasks import TaskRow

_LOCK: Final = "hashtextextended('seeding chains of ' || :pipeline_id, 0)"
_SQLITE_IDS: Final = 500


class Backlog(NamedTuple):
    """How many tasks wait for a chain, how many of them do not fit, and since when the oldest."""

    tasks: int
    misfits: int
    oldest_at: datetime | None


class Waiting(NamedTuple):
    """The tasks that wait for a chain and are not known as misfits: how many, and the last id."""

    tasks: int
    last_id: int


class Misfit(NamedTuple):
    """A finished task that did not fit the target, and why."""

    task_id: int
    code: str
    message: str
    tried_at: datetime | None


def lock_chains_shared(session: Session, pipeline_id: int) -> None:
    """Keep the pipeline's chains from being created or deleted until the transaction ends.

    PostgreSQL only, where it precedes the statement that finishes a task: that statement sees only
    the chains that were committed before it began. Many transactions can hold this lock at once,
    and it costs no write.
    """
    session.execute(
        text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})"), {"pipeline_id": str(pipeline_id)}
    )


def lock_chains(session: Session, pipeline_id: int) -> None:
    """Let no task of the pipeline be finished until the transaction ends.

    Waits for transactions that are finishing tasks. On SQLite the write lock does that.
    """
    if is_postgresql(session):
        session.execute(
            text(f"SELECT pg_advisory_xact_lock({_LOCK})"), {"pipeline_id": str(pipeline_id)}
        )


def put_into_inboxes(
    session: Session, pipeline_id: int, task_ids: Sequence[int], at: datetime
) -> None:
    """Put finished tasks into the inbox of each chain of their pipeline, on SQLite."""
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


def put_existing(session: Session, chain: StoredChain) -> None:
    """Put all tasks that the source has finished into the inbox of a new chain."""
    finished_at = func.coalesce(TaskRow.finished_at, chain.created_at)
    waiting = select(literal(chain.id), TaskRow.id, finished_at).where(
        TaskRow.pipeline_id == chain.source_pipeline_id,
        TaskRow.status == TaskStatus.FINISHED.value,
        TaskRow.erased_at.is_(None),
    )
    session.execute(
        insert(ChainInboxRow).from_select(["chain_id", "task_id", "finished_at"], waiting)
    )


def get_backlog(session: Session, chain_id: int) -> Backlog:
    """Return how many tasks wait for the chain."""
    tasks, misfits, oldest_at = session.execute(
        select(
            func.count(), func.count(ChainInboxRow.error_code), func.min(ChainInboxRow.finished_at)
        ).where(ChainInboxRow.chain_id == chain_id)
    ).one()
    return Backlog(tasks, misfits, oldest_at)


def summarize(session: Session) -> dict[int, Waiting]:
    """Return the waiting tasks of each chain that has some and is not paused, by the chain's id."""
    inbox = ChainInboxRow
    statement = (
        select(inbox.chain_id, func.count(), func.max(inbox.task_id))
        .join(ChainRow, ChainRow.id == inbox.chain_id)
        .where(inbox.error_code.is_(None), ChainRow.is_paused.is_(False))
        .group_by(inbox.chain_id)
        .order_by(inbox.chain_id)
    )
    return {chain_id: Waiting(*waiting) for chain_id, *waiting in session.execute(statement)}


def list_misfits(session: Session, chain_id: int, limit: int) -> list[Misfit]:
    """Return the first ``limit`` tasks that did not fit, by id."""
    statement = select(
        ChainInboxRow.task_id,
        ChainInboxRow.error_code,
        func.coalesce(ChainInboxRow.error_message, ""),
        ChainInboxRow.tried_at,
    ).where(ChainInboxRow.chain_id == chain_id, ChainInboxRow.error_code.is_not(None))
    rows = session.execute(statement.order_by(ChainInboxRow.task_id).limit(limit))
    return [Misfit._make(row) for row in rows]


def has_due(session: Session, chain_id: int) -> bool:
    """Return True if a task waits that is not known to be a misfit."""
    due = select(ChainInboxRow.task_id).where(
        ChainInboxRow.chain_id == chain_id, ChainInboxRow.error_code.is_(None)
    )
    return session.scalar(due.limit(1)) is not None


def remove_seeded(session: Session, chain_id: int, stream_id: int) -> None:
    """Remove the tasks that the stream holds already."""
    seeded = select(TaskRow.id).where(
        TaskRow.stream_id == stream_id, TaskRow.origin_id == ChainInboxRow.task_id
    )
    removed = select(RemovedRow.origin_id).where(
        RemovedRow.stream_id == stream_id, RemovedRow.origin_id == ChainInboxRow.task_id
    )
    statement = delete(ChainInboxRow).where(
        ChainInboxRow.chain_id == chain_id, or_(seeded.exists(), removed.exists())
    )
    session.execute(statement, execution_options={"synchronize_session": False})


def remove(session: Session, chain_id: int, task_ids: Sequence[int]) -> None:
    """Remove these tasks."""
    if is_postgresql(session):
        session.execute(_REMOVE_ON_POSTGRESQL, {"chain_id": chain_id, "ids": list(task_ids)})
    else:
        ids = json.dumps(task_ids)
        session.execute(_REMOVE_ON_SQLITE, {"chain_id": chain_id, "ids": ids})


_REMOVE: Final = "DELETE FROM chain_inbox WHERE chain_id = :chain_id AND task_id "
_REMOVE_ON_POSTGRESQL: Final = text(f"{_REMOVE} = ANY(:ids)")
_REMOVE_ON_SQLITE: Final = text(f"{_REMOVE} IN (SELECT value FROM json_each(:ids))")  # noqa: S608 - our own names


def clear(session: Session, chain_id: int) -> None:
    """Remove all tasks, because the chain is deleted."""
    session.execute(delete(ChainInboxRow).where(ChainInboxRow.chain_id == chain_id))


def mark_misfits(
    session: Session, chain_id: int, problems: Iterable[Problem], at: datetime
) -> None:
    """Record why tasks did not fit; each problem's ``row`` is the id of the task."""
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


def list_finished_groups(session: Session, chain_id: int) -> list[int]:
    """Return the groups of waiting tasks that were found finished, by id."""
    statement = (
        select(TaskRow.group_id)
        .join(ChainInboxRow, ChainInboxRow.task_id == TaskRow.id)
        .join(GroupCountRow, GroupCountRow.group_id == TaskRow.group_id)
        .where(
            ChainInboxRow.chain_id == chain_id,
            ChainInboxRow.error_code.is_(None),
            GroupCountRow.completed.is_not(None),
        )
        .distinct()
    )
    return list(session.scalars(statement.order_by(TaskRow.group_id)))


def reset_misfits(session: Session, chain_id: int) -> None:
    """Let the misfits be tried again."""
    session.execute(
        update(ChainInboxRow)
        .where(ChainInboxRow.chain_id == chain_id, ChainInboxRow.error_code.is_not(None))
        .values(error_code=None, error_message=None)
    )
