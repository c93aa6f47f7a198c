"""Tasks: write them in bulk, read them, and give the oldest away."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

import pyarrow as pa
from sqlalchemy import Text, and_, bindparam, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.policy.lifecycle import Move
from tasks_lib.store.bulk import insert_rows, postgres_connection
from tasks_lib.store.moves import Note, Picks, move_tasks, postgres_statement
from tasks_lib.store.tables import MAX_ID, DatasetItemRow, TaskGroupRow, TaskRow

DATASET: Final = "dataset"
"""The kind of groups whose tasks come from a dataset."""

INFINITE: Final = "infinite"
"""The kind of groups whose tasks infinite seeding makes."""


class NewTasks(NamedTuple):
    """Tasks to be made: each one's row in the source (int64) and its JSON object (string).

    ``origins`` are the ids of the dataset rows, source tasks or copied tasks, if they have any.
    """

    rows: pa.Array
    predefined: pa.Array
    origins: pa.Array | None = None


def insert_tasks(
    session: Session,
    batches: Iterable[NewTasks],
    *,
    pipeline_id: int,
    group_id: int,
    status: TaskStatus,
    stream_id: int | None = None,
    have_origins: bool = False,
) -> int:
    """Write the batches as tasks of the group, in the caller's transaction; return their number.

    With ``stream_id`` each batch has ``origins``; without one it may have them, all or none do.
    ``batches`` may raise: what was written until then is the caller's to roll back.
    """
    constants: dict[str, int | str] = {
        "pipeline_id": pipeline_id,
        "group_id": group_id,
        "status": status.value,
    }
    if stream_id is not None:
        constants["stream_id"] = stream_id
    elif not have_origins:
        pairs = ((batch.rows, batch.predefined) for batch in batches)
        return insert_rows(session, "tasks", constants, ("row", "predefined"), pairs)
    columns = ("row", "predefined", "origin_id")
    return insert_rows(session, "tasks", constants, columns, batches)


class StoredTask(NamedTuple):
    """A task with what its group says of its origin; ``version`` is that of its dataset's row.

    ``chain_id`` is the chain that made it.
    """

    id: int
    pipeline_id: int
    group_id: int
    row: int
    status: str
    predefined: str
    filled_in: str | None
    origin_id: int | None
    claimed_by: str | None
    claimed_at: datetime | None
    claim_expires_at: datetime | None
    finished_at: datetime | None
    kind: str
    source: str
    created_at: datetime
    version: int | None
    chain_id: int | None


def ids_as_json(session: Session, group_id: int) -> str:
    """Return the ids of a group's tasks in the order of their rows, as a JSON array."""
    given = {"group_id": group_id}
    if session.get_bind().dialect.name != "postgresql":
        return f"[{','.join(map(str, session.scalars(_IDS, given)))}]"
    return f"[{session.scalar(_JOINED_IDS, given) or ''}]"


def list_tasks(
    session: Session,
    pipeline_id: int,
    *,
    group_id: int | None = None,
    status: TaskStatus | None = None,
    limit: int,
) -> list[StoredTask]:
    """Return the pipeline's oldest tasks, at most ``limit``."""
    statement = _TASKS.where(TaskRow.pipeline_id == pipeline_id)
    if group_id is not None:
        statement = statement.where(TaskRow.group_id == _bounded(group_id))
    if status is not None:
        statement = statement.where(TaskRow.status == status.value)
    found = session.execute(statement.order_by(TaskRow.id).limit(_bounded(limit)))
    return [StoredTask(*row) for row in found]


def page_of_tasks(
    session: Session,
    pipeline_id: int,
    *,
    group_id: int | None,
    status: TaskStatus | None,
    offset: int,
    limit: int,
) -> list[StoredTask]:
    """Return some of the pipeline's tasks, oldest first."""
    statuses = [status] if status is not None else list(TaskStatus)
    if group_id is not None:
        of_group = select(TaskRow.id).where(
            TaskRow.pipeline_id == pipeline_id, TaskRow.group_id == _bounded(group_id)
        )
        is_wanted = TaskRow.status.in_([wanted.value for wanted in statuses])
        ids = of_group.where(is_wanted).order_by(TaskRow.row).offset(offset).limit(limit).subquery()
    else:
        # The index has a pipeline's tasks status by status, each in order: of each the first ones.
        firsts = [
            select(TaskRow.id)
            .where(TaskRow.pipeline_id == pipeline_id, TaskRow.status == wanted.value)
            .order_by(TaskRow.id)
            .limit(offset + limit)
            .subquery()
            for wanted in statuses
        ]
        merged = union_all(*(select(first.c.id) for first in firsts))
        ids = merged.order_by(merged.selected_columns.id).offset(offset).limit(limit).subquery()
    found = session.execute(_TASKS.join(ids, ids.c.id == TaskRow.id).order_by(TaskRow.id))
    return [StoredTask(*row) for row in found]


def count_in_group(
    session: Session, pipeline_id: int, group_id: int, status: TaskStatus | None
) -> int:
    """Return how many tasks of the pipeline are in the group, of one status or of any."""
    if status is None:
        count = select(TaskGroupRow.task_count).where(
            TaskGroupRow.pipeline_id == pipeline_id, TaskGroupRow.id == _bounded(group_id)
        )
    else:
        count = select(func.count()).where(
            TaskRow.pipeline_id == pipeline_id,
            TaskRow.group_id == _bounded(group_id),
            TaskRow.status == status.value,
        )
    return session.scalar(count) or 0


def find_task(session: Session, task_id: int) -> StoredTask | None:
    """Return the task, or None."""
    row = session.execute(_TASK, {"id": _bounded(task_id)}).one_or_none()
    return StoredTask(*row) if row is not None else None


def claim_oldest(session: Session, pipeline_id: int, note: Note) -> StoredTask | None:
    """Give the pipeline's oldest available task to ``note.by``; return it, or None.

    On PostgreSQL that is a single statement, which can be a transaction of its own.
    """
    if session.get_bind().dialect.name == "postgresql":
        parameters = {**note._asdict(), "pipeline_id": pipeline_id, "limit": 1}
        row = postgres_connection(session).execute(_CLAIM, parameters).fetchone()
        return _in_utc(StoredTask(*row)) if row is not None else None
    moved = move_tasks(session, pipeline_id, Move.CLAIM, Picks(limit=1), note)
    return find_task(session, moved[0].task_id) if moved else None


def pipeline_of(session: Session, task_id: int) -> int | None:
    """Return the pipeline that the task belongs to, None where there is no such task."""
    return session.scalar(select(TaskRow.pipeline_id).where(TaskRow.id == _bounded(task_id)))


def _bounded(number: int) -> int:
    return max(-MAX_ID, min(number, MAX_ID))


_OF_GROUP: Final = TaskRow.group_id == bindparam("group_id")
_IDS: Final = select(TaskRow.id).where(_OF_GROUP).order_by(TaskRow.row)
_JOINED_IDS: Final = select(
    func.string_agg(cast(TaskRow.id, Text), aggregate_order_by(literal(","), TaskRow.row))
).where(_OF_GROUP)
"""Thousands of numbers would take the client longer to fetch than PostgreSQL to write."""

_TASKS: Final = (
    select(
        *(getattr(TaskRow, name) for name in StoredTask._fields[:12]),
        TaskGroupRow.kind,
        TaskGroupRow.source,
        TaskGroupRow.created_at,
        DatasetItemRow.version,
        TaskGroupRow.chain_id,
    )
    .join(TaskGroupRow, TaskGroupRow.id == TaskRow.group_id)
    .outerjoin(
        DatasetItemRow,
        and_(TaskGroupRow.kind == DATASET, DatasetItemRow.id == TaskRow.origin_id),
    )
)
_TASK: Final = _TASKS.where(TaskRow.id == bindparam("id"))
_WHOLE: Final = f"""
    SELECT m.id, m.pipeline_id, m.group_id, m.row, m.status, CAST(m.predefined AS text),
        CAST(m.filled_in AS text), m.origin_id, m.claimed_by, m.claimed_at, m.claim_expires_at,
        m.finished_at, g.kind, g.source, g.created_at, d.version,
        g.chain_id
    FROM moved m JOIN task_groups g ON g.id = m.group_id
    LEFT JOIN dataset_rows d ON g.kind = '{DATASET}' AND d.id = m.origin_id
    """  # noqa: S608
_CLAIM: Final = postgres_statement(Move.CLAIM, returned="tasks.*", answer=_WHOLE)


def _in_utc(task: StoredTask) -> StoredTask:
    """Return the task with its moments in UTC, whatever the server's time zone is."""
    moments = {
        name: moment.astimezone(UTC)
        for name in ("claimed_at", "claim_expires_at", "finished_at", "created_at")
        if (moment := getattr(task, name)) is not None
    }
    return task._replace(**moments)
