"""Claim the oldest task of a pipeline."""

from datetime import UTC
from random import randrange
from typing import Final

from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import Move
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tasks import queues
from tasks_lib.store.tasks.moves import Note, Picks, build_postgres_statement, move_tasks
from tasks_lib.store.tasks.queries import (
    StoredTask,
    find_row_version,
    find_task,
    to_stored_task,
)

_CLAIMS_UNTIL_TENDED: Final = 500


def claim_oldest(session: Session, pipeline_id: int, note: Note) -> StoredTask | None:
    """Claim the pipeline's oldest available task for ``note.by``; return it, or None.

    On PostgreSQL a single statement claims, which can be a transaction of its own. PostgreSQL plans
    it each time, so it does not look up the versions that only tasks of datasets have.
    """
    if is_postgresql(session):
        parameters = {**note._asdict(), "pipeline_id": pipeline_id, "limit": 1}
        row = postgres_connection(session).execute(_CLAIM, parameters).fetchone()
        if row is not None and randrange(_CLAIMS_UNTIL_TENDED) == 0:  # noqa: S311 - no secret
            queues.tend(session, pipeline_id)
        return _complete(session, to_stored_task(row)) if row is not None else None
    moved = move_tasks(session, pipeline_id, Move.CLAIM, Picks(limit=1), note)
    return find_task(session, moved[0].task_id) if moved else None


_WHOLE: Final = """
    SELECT m.id, m.pipeline_id, m.group_id, m.row, m.status, CAST(m.predefined AS text),
        CAST(m.filled_in AS text), m.origin_id, m.claimed_by, m.claimed_at, m.claim_expires_at,
        m.finished_at, g.kind, g.source, g.created_at, NULL, g.chain_id
    FROM moved m JOIN task_groups g ON g.id = m.group_id
    """
_CLAIM: Final = build_postgres_statement(Move.CLAIM, returned="tasks.*", answer=_WHOLE)


def _complete(session: Session, task: StoredTask) -> StoredTask:
    """Return the task with its version, and with its times in UTC, not in the server's zone."""
    times = {
        name: time.astimezone(UTC)
        for name in ("claimed_at", "claim_expires_at", "finished_at", "created_at")
        if (time := getattr(task, name)) is not None
    }
    if task.kind is SeedKind.DATASET:
        return task._replace(version=find_row_version(session, task.id), **times)
    return task._replace(**times)
