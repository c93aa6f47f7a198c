"""The rows of flow runs that wait for groups."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import GroupState
from tasks_lib.store.dialect import upsert
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.waiting import GroupWaitRow

_WAITS: Final = GroupWaitRow.metadata.tables[GroupWaitRow.__tablename__]


class StoredWait(NamedTuple):
    """A wait; ``outcome`` is None while it lasts. ``tries`` are those of its last suspension."""

    id: str
    flow_run_id: str
    group_ids: tuple[int, ...]
    deadline: datetime | None
    outcome: str | None
    round: int
    tries: int
    restarts: int


def ensure_wait(
    session: Session,
    wait_id: str,
    flow_run_id: str,
    group_ids: Sequence[int],
    *,
    deadline: datetime | None,
    at: datetime,
) -> StoredWait:
    """Create the wait, or return the one with this id, whose deadline then holds."""
    values = {
        "id": wait_id,
        "flow_run_id": flow_run_id,
        "group_ids": list(group_ids),
        "deadline": deadline,
        "created_at": at,
        "round": 0,
        "resume_at": at,
        "tries": 0,
        "restarts": 0,
    }
    session.execute(upsert(session, GroupWaitRow, ["id"]), [values])
    (wait,) = _list(session, _WAITS.c.id == wait_id)
    return wait


def begin_round(session: Session, wait_id: str, *, at: datetime) -> int:
    """Record that the run is about to be suspended; return the number of the suspension."""
    number = session.scalar(
        update(_WAITS)
        .where(_WAITS.c.id == wait_id)
        .values(round=_WAITS.c.round + 1, resume_at=at, tries=0)
        .returning(_WAITS.c.round)
    )
    return number or 0


def end_wait(session: Session, wait_id: str, outcome: str) -> None:
    """Record the outcome of a wait; it stays as it is if it has one."""
    session.execute(
        update(_WAITS)
        .where(_WAITS.c.id == wait_id, _WAITS.c.outcome.is_(None))
        .values(outcome=outcome)
    )


def list_due(session: Session, *, at: datetime) -> list[StoredWait]:
    """Return the waits that are over, and whose runs may be resumed now."""
    return list_over(session, at=at, resumable_at=at)


def list_over(
    session: Session, *, at: datetime, resumable_at: datetime | None = None
) -> list[StoredWait]:
    """Return the waits that are over, without the outcome having been recorded by their runs.

    A wait is over if all of its groups are finished, if one was undone or deleted, or if its
    deadline has passed.
    """
    conditions: list[ColumnElement[bool]] = [_WAITS.c.outcome.is_(None)]
    if resumable_at is not None:
        conditions.append(_WAITS.c.resume_at <= resumable_at)
    waits = _list(session, *conditions)
    awaited = sorted({group_id for wait in waits for group_id in wait.group_ids})
    columns = (TaskGroupRow.id, TaskGroupRow.state, TaskGroupRow.finished_at)
    found = session.execute(select(*columns).where(TaskGroupRow.id.in_(awaited)))
    states = {group_id: (state, finished_at) for group_id, state, finished_at in found}

    def is_over(wait: StoredWait) -> bool:
        groups = [states.get(group_id) for group_id in wait.group_ids]
        if wait.deadline is not None and wait.deadline <= at:
            return True
        if any(group is None or group[0] != GroupState.CREATED.value for group in groups):
            return True
        return all(group is not None and group[1] is not None for group in groups)

    return [wait for wait in waits if is_over(wait)]


def acquire(session: Session, wait: StoredWait, *, at: datetime, lasts: timedelta) -> bool:
    """Acquire the right to resume the run for a while; return False if another process has it."""
    acquired = session.execute(
        update(_WAITS)
        .where(_WAITS.c.id == wait.id, _WAITS.c.outcome.is_(None), _WAITS.c.resume_at <= at)
        .values(resume_at=at + lasts, tries=_WAITS.c.tries + 1)
        .returning(_WAITS.c.id)
    ).one_or_none()
    return acquired is not None


def retry_at(session: Session, wait: StoredWait, at: datetime) -> None:
    """Let the run be resumed again from ``at`` on, unless it was suspended again meanwhile."""
    session.execute(
        update(_WAITS)
        .where(_WAITS.c.id == wait.id, _WAITS.c.round == wait.round)
        .values(resume_at=at)
    )


def count_restart(session: Session, wait: StoredWait) -> None:
    """Record that the run of a wait was started again after a crash."""
    session.execute(
        update(_WAITS).where(_WAITS.c.id == wait.id).values(restarts=_WAITS.c.restarts + 1)
    )


def list_flow_runs(session: Session) -> list[str]:
    """Return the ids of all flow runs that have waits."""
    return list(session.scalars(select(_WAITS.c.flow_run_id).distinct()))


def remove_waits(session: Session, flow_run_id: str) -> None:
    """Remove all waits of a flow run, because it has ended."""
    session.execute(delete(_WAITS).where(_WAITS.c.flow_run_id == flow_run_id))


def _list(session: Session, *conditions: object) -> list[StoredWait]:
    columns = (_WAITS.c[name] for name in StoredWait._fields)
    statement = select(*columns).where(*conditions).order_by(_WAITS.c.created_at)  # type: ignore[arg-type]
    waits = [StoredWait._make(row) for row in session.execute(statement)]
    return [wait._replace(group_ids=tuple(wait.group_ids)) for wait in waits]
