"""Move tasks from one status to another, each by one conditional statement, of which one wins.

The same transaction records the move and updates the counts. On PostgreSQL all of it is one
statement; on SQLite, where no other transaction can write meanwhile, there are several.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import Integer, Select, Update, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import MOVES, Move, show_status
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.chains.chain_inbox import lock_chains_shared, put_into_inboxes
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.catalogue import PipelineRow
from tasks_lib.store.tables.tasks import TaskMoveRow, TaskRow
from tasks_lib.store.tasks.counts import (
    COUNTED,
    STATUS_COLUMNS,
    SUMS,
    add_counts,
    build_postgres_slot,
)

_TASKS_AT_ONCE: Final = 10_000
"""A limit, so that neither memory nor a statement grows with the pipeline."""

_SQLITE_IDS: Final = 500


class Moved(NamedTuple):
    """A task that was moved, and its statuses before and after."""

    task_id: int
    from_status: TaskStatus
    to_status: TaskStatus


class TaskMove(NamedTuple):
    """A recorded move of a task: from and to which status, by whom, why and when."""

    move: Move
    from_status: TaskStatus
    to_status: TaskStatus
    by: str | None
    reason: str | None
    at: datetime


class Picks(NamedTuple):
    """Which of a pipeline's tasks to move: one, one that somebody has claimed, or the oldest.

    ``expired_at``: only those whose claim has expired by then. At most ``limit`` are moved, and at
    most ten thousand at once: the caller repeats the call until none are left.
    """

    task_id: int | None = None
    claimed_by: str | None = None
    expired_at: datetime | None = None
    limit: int = _TASKS_AT_ONCE


class Note(NamedTuple):
    """The record of a move: by whom, when and why."""

    by: str | None
    at: datetime
    reason: str | None = None


def move_tasks(
    session: Session,
    pipeline_id: int,
    move: Move,
    picks: Picks,
    note: Note,
    *,
    filled_in: str | None = None,
) -> list[Moved]:
    """Move the picked tasks whose status allows it, oldest first; return those that were moved.

    A move waits for the lock of a task and checks the status again. A claim needs an active
    pipeline; on PostgreSQL ``claim_oldest_on_postgresql`` makes it. ``filled_in`` is stored with a
    submission. The statuses that are returned and recorded are those that readers see: pending
    tasks of a paused pipeline are paused.
    """
    change = _Change(session, pipeline_id, move, picks, note, filled_in)
    return _move_at_once(change) if is_postgresql(session) else _move_step_by_step(change)


def list_moves(session: Session, task_id: int) -> list[TaskMove]:
    """Return the moves of a task, oldest first."""
    statement = (
        select(
            TaskMoveRow.move,
            TaskMoveRow.from_status,
            TaskMoveRow.to_status,
            TaskMoveRow.by,
            TaskMoveRow.reason,
            TaskMoveRow.at,
        )
        .where(TaskMoveRow.task_id == task_id)
        .order_by(TaskMoveRow.id)
    )
    return [
        TaskMove(Move(move), TaskStatus(before), TaskStatus(after), by, reason, at)
        for move, before, after, by, reason, at in session.execute(statement)
    ]


def list_pipelines_with_expired_claims(session: Session, at: datetime) -> list[int]:
    """Return the ids of the pipelines that have expired claims."""
    statement = select(TaskRow.pipeline_id).where(TaskRow.claim_expires_at <= at).distinct()
    return list(session.scalars(statement.order_by(TaskRow.pipeline_id)))


class _Change(NamedTuple):
    session: Session
    pipeline_id: int
    move: Move
    picks: Picks
    note: Note
    filled_in: str | None

    @property
    def narrowed(self) -> frozenset[str]:
        """The names of the picks that are set."""
        return frozenset(name for name in _CONDITIONS if getattr(self.picks, name) is not None)

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters that select the tasks."""
        picks = {name: getattr(self.picks, name) for name in self.narrowed}
        return picks | {"pipeline_id": self.pipeline_id, "limit": self.picks.limit}


def _move_at_once(change: _Change) -> list[Moved]:
    """Pick, move, record and count in one statement of PostgreSQL."""
    if change.move is Move.CLAIM:
        raise ValueError("claim_oldest_on_postgresql makes claims")
    note = change.note
    parameters = {
        **change.parameters,
        "by": note.by,
        "at": note.at,
        "reason": note.reason,
    }
    if change.move is Move.SUBMIT:
        parameters["filled_in"] = change.filled_in
        lock_chains_shared(change.session, change.pipeline_id)
    change.session.flush()  # the statement bypasses SQLAlchemy, which would take longer than it
    statement = _build_postgres_statement(change.move, change.narrowed)
    moved = postgres_connection(change.session).execute(statement, parameters)
    return [
        Moved(task_id, TaskStatus(before), TaskStatus(after))
        for task_id, before, after, *_ in moved
    ]


_CONDITIONS: Final = {
    "task_id": "id = %(task_id)s",
    "claimed_by": "claimed_by = %(claimed_by)s",
    "expired_at": "claim_expires_at <= %(expired_at)s",
}

_REOPENED: Final = ", (SELECT seeding_reopen_queue(%(pipeline_id)s, min(id)) FROM moved)"
"""Lets the queue begin with the task again, if it begins after it: claims look from there on."""


def _shown(status: str) -> str:
    """Return the expression of the status that readers see, next to the pipeline as ``home``."""
    return (
        f"CASE WHEN {status} = '{TaskStatus.PENDING}' AND home.status = '{PipelineStatus.PAUSED}'"
        f" THEN '{TaskStatus.PAUSED}' ELSE {status} END"
    )


@cache
def _build_postgres_statement(move: Move, narrowed: frozenset[str]) -> bytes:
    """Return the psycopg statement of a move; ``narrowed`` are the picks that are set."""
    rule = MOVES[move]
    conditions = ["pipeline_id = %(pipeline_id)s", f"status IN ({_quoted(rule.starts)})"]
    conditions += [_CONDITIONS[name] for name in narrowed]
    limit = "" if "task_id" in narrowed else "ORDER BY id LIMIT %(limit)s"
    before, after = _shown("before"), _shown("after")
    reopened = _REOPENED if rule.end is TaskStatus.PENDING else ""
    differences = ", ".join(
        f"count(*) FILTER (WHERE after = '{status}') - count(*) FILTER (WHERE before = '{status}')"
        for status in STATUS_COLUMNS
    )
    return f"""
        WITH home AS (
            SELECT status FROM pipelines WHERE id = %(pipeline_id)s
        ), picked AS (
            SELECT id, status FROM tasks WHERE {" AND ".join(conditions)} {limit} FOR UPDATE
        ), moved AS (
            UPDATE tasks SET {_assignments(move)} FROM picked WHERE tasks.id = picked.id
            RETURNING tasks.id, tasks.group_id, picked.status AS before, tasks.status AS after
        ), noted AS (
            INSERT INTO task_moves (task_id, move, from_status, to_status, "by", reason, at)
            SELECT id, '{move}', {before}, {after}, CAST(%(by)s AS text),
                CAST(%(reason)s AS text), CAST(%(at)s AS timestamptz) FROM moved, home
        ){_COUNTED.format(differences)}
        {_INTO_INBOXES if move is Move.SUBMIT else ""}
        SELECT id, {before}, {after}{reopened} FROM moved, home ORDER BY id
        """.encode()  # noqa: S608 - our own names


_COUNTED: Final = f""", counted AS (
            INSERT INTO task_counts (pipeline_id, slot, group_id, {", ".join(COUNTED)})
            SELECT %(pipeline_id)s, {build_postgres_slot("%(pipeline_id)s")}, group_id, {{}}, 0
            FROM moved GROUP BY group_id ORDER BY group_id
            ON CONFLICT (pipeline_id, slot, group_id) DO UPDATE SET {SUMS}
        )"""  # noqa: S608 - our own names

_INTO_INBOXES: Final = """, chained AS (
            INSERT INTO chain_inbox (chain_id, task_id, finished_at)
            SELECT chains.id, moved.id, CAST(%(at)s AS timestamptz)
            FROM moved JOIN chains ON chains.source_pipeline_id = %(pipeline_id)s
        )"""


def _assignments(move: Move) -> str:
    """Return the assignments on PostgreSQL: the status, the claim, and the submitted values."""
    end = MOVES[move].end
    if move is Move.SUBMIT:
        filled_in = "filled_in = CAST(%(filled_in)s AS json), finished_at = %(at)s"
        number = "finish_number = nextval('task_finish_numbers')"
        return f"status = '{end}', {filled_in}, {number}, claim_expires_at = NULL"
    return f"status = '{end}', claimed_by = NULL, claimed_at = NULL, claim_expires_at = NULL"


def _quoted(statuses: Iterable[TaskStatus]) -> str:
    return ", ".join(sorted(f"'{status}'" for status in statuses))


def _move_step_by_step(change: _Change) -> list[Moved]:
    """Move the tasks on SQLite, whose write lock the caller's transaction holds.

    The statements are built once and bypass the ORM: building them takes longer than running them.
    """
    change.session.flush()
    connection, note = change.session.connection(), change.note
    home = connection.execute(_HOME, {"pipeline_id": change.pipeline_id}).one()
    if change.move is Move.CLAIM and home.status != PipelineStatus.ACTIVE.value:
        return []
    end, home_status = MOVES[change.move].end, PipelineStatus(home.status)
    picked = connection.execute(
        _pick_statement(change.move, change.narrowed), change.parameters
    ).all()
    moved = [Moved(task_id, TaskStatus(before), end) for task_id, before, _ in picked]
    values = _changed_values(change, home.claim_timeout_seconds) | {"status": end.value}
    for first in range(0, len(moved), _SQLITE_IDS):
        ids = [task.task_id for task in moved[first : first + _SQLITE_IDS]]
        connection.execute(_update_statement(*values), {**values, "ids": ids})
    if not moved:
        return []
    shown = [
        Moved(task_id, show_status(before, home_status), show_status(after, home_status))
        for task_id, before, after in moved
    ]
    connection.execute(_RECORD, [_move_row(task, change.move, note) for task in shown])
    _add_counts(change, Counter((group_id, before) for _, before, group_id in picked))
    if change.move is Move.SUBMIT:
        task_ids = [task.task_id for task in moved]
        put_into_inboxes(change.session, change.pipeline_id, task_ids, note.at)
    return shown


_TASKS: Final = TaskRow.metadata.tables[TaskRow.__tablename__]
_RECORD: Final = insert(TaskRow.metadata.tables[TaskMoveRow.__tablename__])
LAST_FINISH_NUMBER: Final = select(func.max(_TASKS.c.finish_number)).where(
    _TASKS.c.pipeline_id == bindparam("pipeline_id"), _TASKS.c.finish_number.is_not(None)
)
_HOME: Final = select(PipelineRow.status, PipelineRow.claim_timeout_seconds).where(
    PipelineRow.id == bindparam("pipeline_id")
)


@cache
def _pick_statement(move: Move, narrowed: frozenset[str]) -> Select[int, str, int]:
    task = _TASKS.c
    conditions = {
        "task_id": task.id == bindparam("task_id"),
        "claimed_by": task.claimed_by == bindparam("claimed_by"),
        "expired_at": task.claim_expires_at <= bindparam("expired_at"),
    }
    return (
        select(task.id, task.status, task.group_id)
        .where(task.pipeline_id == bindparam("pipeline_id"))
        .where(task.status.in_(sorted(MOVES[move].starts)))
        .where(*(conditions[name] for name in sorted(narrowed)))
        .order_by(task.id)
        .limit(bindparam("limit", type_=Integer))
    )


@cache
def _update_statement(*columns: str) -> Update:
    is_picked = _TASKS.c.id.in_(bindparam("ids", expanding=True))
    return update(_TASKS).where(is_picked).values({name: bindparam(name) for name in columns})


def _changed_values(change: _Change, timeout_seconds: int | None) -> dict[str, object]:
    note = change.note
    if change.move is Move.CLAIM:
        timeout = timedelta(seconds=timeout_seconds) if timeout_seconds is not None else None
        expires_at = note.at + timeout if timeout is not None else None
        return {"claimed_by": note.by, "claimed_at": note.at, "claim_expires_at": expires_at}
    if change.move is Move.SUBMIT:
        return {
            "filled_in": change.filled_in,
            "finished_at": note.at,
            "finish_number": _next_finish_number(change),
            "claim_expires_at": None,
        }
    return {"claimed_by": None, "claimed_at": None, "claim_expires_at": None}


def _next_finish_number(change: _Change) -> int:
    """Return a number that is larger than all earlier ones of the pipeline, on SQLite.

    It is at least the time, so that it grows even if the task with the last number was deleted.
    """
    last = change.session.scalar(LAST_FINISH_NUMBER, {"pipeline_id": change.pipeline_id})
    return max((last or 0) + 1, int(change.note.at.timestamp() * 1_000_000))


def _move_row(task: Moved, move: Move, note: Note) -> dict[str, object]:
    return {
        "task_id": task.task_id,
        "move": move.value,
        "from_status": task.from_status.value,
        "to_status": task.to_status.value,
        "by": note.by,
        "reason": note.reason,
        "at": note.at,
    }


def _add_counts(change: _Change, picked: Mapping[tuple[int, str], int]) -> None:
    """Add the changes to the counts; ``picked`` are the moved tasks by group and old status."""
    end = MOVES[change.move].end
    for group_id in {group_id for group_id, _ in picked}:
        before = {status: n for (group, status), n in picked.items() if group == group_id}
        number = sum(before.values())
        changes = Counter({end: number})
        changes.subtract({TaskStatus(status): n for status, n in before.items()})
        claims = number if change.move is Move.CLAIM else 0
        add_counts(change.session, change.pipeline_id, changes, group_id=group_id, claims=claims)
