"""Task groups: claim the right to seed a source, complete the group, list what there is."""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import bindparam, delete, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.store.tables import TaskGroupRow, UtcDateTime

_GROUPS: Final = TaskGroupRow.metadata.tables[TaskGroupRow.__tablename__]
_CLAIM: Final = text(
    """
    INSERT INTO task_groups (pipeline_id, kind, seed_key, source, created_at, stream_id, chain_id,
        task_count, rejected_count, announce_at)
    VALUES (:pipeline_id, :kind, :seed_key, :source, :at, :stream_id, :chain_id, :task_count, 0,
        :announce_at)
    ON CONFLICT (pipeline_id, seed_key) DO NOTHING
    RETURNING id
    """
).bindparams(bindparam("at", type_=UtcDateTime), bindparam("announce_at", type_=UtcDateTime))
"""A text, since an insert with a conflict clause is compiled anew each time that it is executed."""

_COMPLETE: Final = (
    update(_GROUPS)
    .where(_GROUPS.c.id == bindparam("group_id"))
    .values(
        task_count=bindparam("task_count"),
        rejected_count=bindparam("rejected"),
        announce_at=bindparam("announce_at"),
    )
)


class GroupClaim(NamedTuple):
    """The group that holds a seed key, and whether this transaction made it."""

    group_id: int
    is_new: bool
    task_count: int
    stream_id: int | None = None


def claim_group(
    session: Session,
    *,
    pipeline_id: int,
    kind: str,
    seed_key: str,
    source: str,
    at: datetime,
    stream_id: int | None = None,
    chain_id: int | None = None,
    task_count: int = 0,
    announce_at: datetime | None = None,
) -> GroupClaim:
    """Make the group for ``seed_key``, or return the one that holds it.

    While another transaction makes a group of the same key, this waits for its end; so of two that
    seed the same at the same moment, one does. Who knows already what goes into it says so here and
    need not complete it.
    """
    group = {
        "pipeline_id": pipeline_id,
        "kind": kind,
        "seed_key": seed_key,
        "source": source,
        "at": at,
        "stream_id": stream_id,
        "chain_id": chain_id,
        "task_count": task_count,
        "announce_at": announce_at,
    }
    made: int | None = session.scalar(_CLAIM, group)
    if made is not None:
        return GroupClaim(made, is_new=True, task_count=task_count, stream_id=stream_id)
    held = find_group(session, pipeline_id, seed_key)
    assert held is not None, "a conflict without the row that it conflicts with"  # noqa: S101
    return GroupClaim(held.id, is_new=False, task_count=held.task_count)


def find_group(session: Session, pipeline_id: int, seed_key: str) -> TaskGroupRow | None:
    """Return the group that holds ``seed_key`` in the pipeline, or None."""
    return session.scalar(
        select(TaskGroupRow).where(
            TaskGroupRow.pipeline_id == pipeline_id, TaskGroupRow.seed_key == seed_key
        )
    )


def complete_group(
    session: Session, group_id: int, *, task_count: int, rejected: int, announce_at: datetime
) -> None:
    """Record what went into the group, just before its transaction is committed.

    Who makes it tells Prefect, and says so before ``announce_at``; otherwise a relay tells.
    """
    given = {"task_count": task_count, "rejected": rejected, "announce_at": announce_at}
    session.execute(_COMPLETE, {"group_id": group_id, **given})


def grow_group(session: Session, group_id: int, added: int) -> None:
    """Record that more tasks went into the group; nobody is told of that."""
    session.execute(
        update(TaskGroupRow)
        .where(TaskGroupRow.id == group_id)
        .values(task_count=TaskGroupRow.task_count + added)
    )


def delete_group(session: Session, group_id: int) -> None:
    """Take back a group into which nothing went."""
    session.execute(delete(TaskGroupRow).where(TaskGroupRow.id == group_id))


def list_groups(session: Session, pipeline_id: int) -> list[TaskGroupRow]:
    """Return the pipeline's groups, oldest first."""
    return list(
        session.scalars(
            select(TaskGroupRow)
            .where(TaskGroupRow.pipeline_id == pipeline_id)
            .order_by(TaskGroupRow.id)
        )
    )
