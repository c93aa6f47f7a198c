"""Move tasks from one status to another: one conditional statement each, of which one wins.

With the move the same transaction records it and changes the counts. On PostgreSQL all of it is one
statement; SQLite, where no other transaction writes meanwhile, takes it step by step.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import Integer, Select, Update, bindparam, insert, select, update
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.policy.lifecycle import MOVES, Move
from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.chain_inbox import put_into_inboxes, share_chains
from tasks_lib.store.counts import COUNTED, POSTGRES_SLOT, STATUS_COLUMNS, SUMS, add_counts
from tasks_lib.store.tables import PipelineRow, TaskMoveRow, TaskRow

_TASKS_AT_ONCE: Final = 10_000
"""At most, so that neither memory nor a statement grows with a pipeline."""

_SQLITE_IDS: Final = 500


class Moved(NamedTuple):
    """A task that was moved."""

    task_id: int
    from_status: TaskStatus
    to_status: TaskStatus


class Picks(NamedTuple):
    """Which of a pipeline's tasks to move: one, one that somebody has claimed, or the oldest.

    ``expired_at``: only those whose claim has expired by then. At most ``limit`` are moved, and at
    most ten thousand at once: the caller comes again until there are none.
    """

    task_id: int | None = None
    claimed_by: str | None = None
    expired_at: datetime | None = None
    limit: int = _TASKS_AT_ONCE


class Note(NamedTuple):
    """What is recorded of a move: who made it, when, and why."""

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
    """Make the move with the tasks picked that may make it, oldest first; return what was moved.

    A claim takes tasks of an active pipeline that nobody else is about to take, any other move
    waits for who has the task and looks again. ``filled_in`` is stored with a submission.
    """
    change = _Change(session, pipeline_id, move, picks, note, filled_in)
    if session.get_bind().dialect.name == "postgresql":
        return _move_at_once(change)
    return _move_step_by_step(change)


def moves_of(session: Session, task_id: int) -> list[TaskMoveRow]:
    """Return the moves that a task has made, oldest first."""
    statement = select(TaskMoveRow).where(TaskMoveRow.task_id == task_id).order_by(TaskMoveRow.id)
    return list(session.scalars(statement))


def pipelines_with_expired_claims(session: Session, at: datetime) -> list[int]:
    """Return the pipelines that have claims which have expired."""
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
        """Which of the picks are set."""
        return frozenset(name for name in _CONDITIONS if getattr(self.picks, name) is not None)

    @property
    def picked(self) -> dict[str, object]:
        """What the picks are called in statements."""
        given = {name: getattr(self.picks, name) for name in self.narrowed}
        return given | {"pipeline_id": self.pipeline_id, "limit": self.picks.limit}


def _move_at_once(change: _Change) -> list[Moved]:
    """Pick, move, record and count in one statement of PostgreSQL."""
    note = change.note
    parameters = {
        **change.picked,
        "by": note.by,
        "at": note.at,
        "reason": note.reason,
    }
    if change.move is Move.SUBMIT:
        parameters["filled_in"] = change.filled_in
        share_chains(change.session, change.pipeline_id)
    change.session.flush()  # the statement goes past SQLAlchemy, which would take longer than it
    statement = postgres_statement(change.move, change.narrowed)
    moved = postgres_connection(change.session).execute(statement, parameters)
    return [
        Moved(task_id, TaskStatus(before), TaskStatus(after)) for task_id, before, after in moved
    ]


_CONDITIONS: Final = {
    "task_id": "id = %(task_id)s",
    "claimed_by": "claimed_by = %(claimed_by)s",
    "expired_at": "claim_expires_at <= %(expired_at)s",
}

_IS_ACTIVE: Final = f"(SELECT status FROM home) = '{PipelineStatus.ACTIVE}'"  # noqa: S608


@cache
def postgres_statement(
    move: Move,
    narrowed: frozenset[str] = frozenset(),
    *,
    returned: str = "tasks.id",
    answer: str = "SELECT id, before, after FROM moved ORDER BY id",
) -> bytes:
    """Return psycopg's statement of a move; ``narrowed`` are the picks that are set.

    The pipeline is held where its status decides of the task's: who pauses or resumes it waits for
    that, and then finds the task. ``answer`` reads what was ``returned`` of each task moved.
    """
    rule = MOVES[move]
    is_claim, goes_back = move is Move.CLAIM, rule.end is TaskStatus.PENDING
    conditions = [f"status IN ({_quoted(rule.starts)})", *(_CONDITIONS[name] for name in narrowed)]
    if is_claim:
        conditions.append(_IS_ACTIVE)
    differences = ", ".join(
        f"count(*) FILTER (WHERE after = '{status}') - count(*) FILTER (WHERE before = '{status}')"
        for status in STATUS_COLUMNS
    )
    claims = "count(*)" if is_claim else "0"
    return f"""
        WITH home AS (
            SELECT status, claim_timeout_seconds FROM pipelines WHERE id = %(pipeline_id)s
            {"FOR SHARE" if goes_back else ""}
        ), picked AS (
            SELECT id, status FROM tasks
            WHERE pipeline_id = %(pipeline_id)s AND {" AND ".join(conditions)}
            ORDER BY id LIMIT %(limit)s FOR UPDATE {"SKIP LOCKED" if is_claim else ""}
        ), moved AS (
            UPDATE tasks SET {_assignments(move)} FROM picked, home WHERE tasks.id = picked.id
            RETURNING {returned}, picked.status AS before, tasks.status AS after
        ), noted AS (
            INSERT INTO task_moves (task_id, move, from_status, to_status, "by", reason, at)
            SELECT id, '{move}', before, after, CAST(%(by)s AS text), CAST(%(reason)s AS text),
                CAST(%(at)s AS timestamptz) FROM moved
        ), counted AS (
            INSERT INTO task_counts (pipeline_id, slot, {", ".join(COUNTED)})
            SELECT %(pipeline_id)s, {POSTGRES_SLOT}, {differences}, {claims}
            FROM moved HAVING count(*) > 0
            ON CONFLICT (pipeline_id, slot) DO UPDATE SET {SUMS}
        ){_INTO_INBOXES if move is Move.SUBMIT else ""}
        {answer}
        """.encode()  # noqa: S608 - names of ours


_INTO_INBOXES: Final = """, chained AS (
            INSERT INTO chain_inbox (chain_id, task_id, finished_at)
            SELECT chains.id, moved.id, CAST(%(at)s AS timestamptz)
            FROM moved JOIN chains ON chains.source_pipeline_id = %(pipeline_id)s
        )"""


def _assignments(move: Move) -> str:
    """Return what PostgreSQL sets: the status, and who has the task since when and until when."""
    end = MOVES[move].end
    if move is Move.CLAIM:
        expires = "CAST(%(at)s AS timestamptz) + make_interval(secs => home.claim_timeout_seconds)"
        claim = f"claimed_by = %(by)s, claimed_at = %(at)s, claim_expires_at = {expires}"
        return f"status = '{end}', {claim}"
    if move is Move.SUBMIT:
        filled_in = "filled_in = CAST(%(filled_in)s AS json), finished_at = %(at)s"
        return f"status = '{end}', {filled_in}, claim_expires_at = NULL"
    paused = f"CASE home.status WHEN '{PipelineStatus.PAUSED}' THEN '{TaskStatus.PAUSED}'"
    status = f"{paused} ELSE '{end}' END" if end is TaskStatus.PENDING else f"'{end}'"
    return f"status = {status}, claimed_by = NULL, claimed_at = NULL, claim_expires_at = NULL"


def _quoted(statuses: Iterable[TaskStatus]) -> str:
    return ", ".join(sorted(f"'{status}'" for status in statuses))


def _move_step_by_step(change: _Change) -> list[Moved]:
    """Do the same on SQLite, whose write lock the caller's transaction holds.

    The statements are prepared once and go past the ORM: to build them would take longer than all
    that SQLite does.
    """
    change.session.flush()
    connection, note = change.session.connection(), change.note
    home = connection.execute(_HOME, {"pipeline_id": change.pipeline_id}).one()
    if change.move is Move.CLAIM and home.status != PipelineStatus.ACTIVE.value:
        return []
    end = MOVES[change.move].end
    if end is TaskStatus.PENDING and home.status == PipelineStatus.PAUSED.value:
        end = TaskStatus.PAUSED
    picked = connection.execute(_picking(change.move, change.narrowed), change.picked).all()
    moved = [Moved(task_id, TaskStatus(before), end) for task_id, before in picked]
    values = _values(change, home.claim_timeout_seconds) | {"status": end.value}
    for first in range(0, len(moved), _SQLITE_IDS):
        ids = [task.task_id for task in moved[first : first + _SQLITE_IDS]]
        connection.execute(_setting(*values), {**values, "ids": ids})
    if moved:
        connection.execute(_NOTING, [_noted(task, change.move, note) for task in moved])
        _count(change, moved)
    if moved and change.move is Move.SUBMIT:
        task_ids = [task.task_id for task in moved]
        put_into_inboxes(change.session, change.pipeline_id, task_ids, note.at)
    return moved


_TASKS: Final = TaskRow.metadata.tables[TaskRow.__tablename__]
_NOTING: Final = insert(TaskRow.metadata.tables[TaskMoveRow.__tablename__])
_HOME: Final = select(PipelineRow.status, PipelineRow.claim_timeout_seconds).where(
    PipelineRow.id == bindparam("pipeline_id")
)


@cache
def _picking(move: Move, narrowed: frozenset[str]) -> Select[tuple[int, str]]:
    task = _TASKS.c
    conditions = {
        "task_id": task.id == bindparam("task_id"),
        "claimed_by": task.claimed_by == bindparam("claimed_by"),
        "expired_at": task.claim_expires_at <= bindparam("expired_at"),
    }
    return (
        select(task.id, task.status)
        .where(task.pipeline_id == bindparam("pipeline_id"))
        .where(task.status.in_(sorted(MOVES[move].starts)))
        .where(*(conditions[name] for name in sorted(narrowed)))
        .order_by(task.id)
        .limit(bindparam("limit", type_=Integer))
    )


@cache
def _setting(*columns: str) -> Update:
    is_picked = _TASKS.c.id.in_(bindparam("ids", expanding=True))
    return update(_TASKS).where(is_picked).values({name: bindparam(name) for name in columns})


def _values(change: _Change, timeout_seconds: int | None) -> dict[str, object]:
    note = change.note
    if change.move is Move.CLAIM:
        timeout = timedelta(seconds=timeout_seconds) if timeout_seconds is not None else None
        expires_at = note.at + timeout if timeout is not None else None
        return {"claimed_by": note.by, "claimed_at": note.at, "claim_expires_at": expires_at}
    if change.move is Move.SUBMIT:
        return {
            "filled_in": change.filled_in,
            "finished_at": note.at,
            "claim_expires_at": None,
        }
    return {"claimed_by": None, "claimed_at": None, "claim_expires_at": None}


def _noted(task: Moved, move: Move, note: Note) -> dict[str, object]:
    return {
        "task_id": task.task_id,
        "move": move.value,
        "from_status": task.from_status.value,
        "to_status": task.to_status.value,
        "by": note.by,
        "reason": note.reason,
        "at": note.at,
    }


def _count(change: _Change, moved: Sequence[Moved]) -> None:
    changes = Counter(task.to_status for task in moved)
    changes.subtract(task.from_status for task in moved)
    claims = len(moved) if change.move is Move.CLAIM else 0
    add_counts(change.session, change.pipeline_id, changes, claims=claims)
