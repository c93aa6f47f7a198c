"""Claim the oldest task of a pipeline."""

from datetime import UTC
from random import randrange
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import Session

from tasks_lib.domain.lifecycle import Move
from tasks_lib.store.tasks.moves import Note, Picks, move_tasks
from tasks_lib.store.tasks.queries import StoredTask, find_task, to_stored_task

if TYPE_CHECKING:  # loading it takes time, and SQLite does not need it
    from psycopg import Connection as PostgresConnection

_CLAIM: Final = b"SELECT * FROM seeding_claim(%s, %s, %s)"
_TEND: Final = b"SELECT seeding_tend_queue(%s)"
_CLAIMS_UNTIL_TENDED: Final = 500
_TIMES: Final = ("claimed_at", "claim_expires_at", "created_at")


def claim_oldest(session: Session, pipeline_id: int, note: Note) -> StoredTask | None:
    """Claim the pipeline's oldest available task for ``note.by`` on SQLite; return it, or None."""
    moved = move_tasks(session, pipeline_id, Move.CLAIM, Picks(limit=1), note)
    return find_task(session, moved[0].task_id) if moved else None


def claim_oldest_on_postgresql(
    connection: "PostgresConnection[Any]", pipeline_id: int, note: Note
) -> StoredTask | None:
    """Claim the pipeline's oldest available task for ``note.by``; return it, or None.

    A function of the database claims, so that its statements are planned once; the call can be a
    transaction of its own. It does not look up the version of a dataset's row.
    """
    row = connection.execute(_CLAIM, (pipeline_id, note.by, note.at)).fetchone()
    if row is None:
        return None
    if randrange(_CLAIMS_UNTIL_TENDED) == 0:  # noqa: S311 - no secret
        connection.execute(_TEND, (pipeline_id,))
    task = to_stored_task(row)
    times = {name: time.astimezone(UTC) for name in _TIMES if (time := getattr(task, name))}
    return task._replace(**times)
