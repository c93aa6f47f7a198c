"""The keys of tasks that were deleted or erased, so that their rows create no other tasks.

A key is stored as a digest: it says that a row is known, but not which values it had.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.domain.rows.keys import DIGEST, digest_of
from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.dialect import is_postgresql, upsert
from tasks_lib.store.tables.removal import RetiredKeyRow
from tasks_lib.store.tables.tasks import TaskRow

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.int64]]

_SEPARATOR: Final = "\x02"
_SQLITE_KEYS: Final = 500


def retire(session: Session, pipeline_id: int, keys: Iterable[tuple[int, str]]) -> None:
    """Store the keys of tasks that are deleted or erased; ``keys`` are pairs of id and key."""
    rows = [
        {"pipeline_id": pipeline_id, "key": digest_of(key), "task_id": task_id}
        for task_id, key in keys
    ]
    if rows:
        session.execute(upsert(session, RetiredKeyRow, ["pipeline_id", "key"]), rows)


def retire_erased(session: Session, pipeline_id: int, task_id: int) -> None:
    """Take the key of an erased task, if it has one; its row stays known."""
    key = session.scalar(select(TaskRow.key).where(TaskRow.id == task_id))
    if key is not None:
        retire(session, pipeline_id, [(task_id, key)])
        session.execute(update(TaskRow).where(TaskRow.id == task_id).values(key=None))


def count(session: Session, pipeline_id: int) -> int:
    """Return how many keys of the pipeline are retired."""
    statement = select(func.count()).where(RetiredKeyRow.pipeline_id == pipeline_id)
    return session.scalar(statement) or 0


def forget(session: Session, pipeline_id: int) -> None:
    """Remove the retired keys of the pipeline, because it loses its key or is deleted."""
    session.execute(delete(RetiredKeyRow).where(RetiredKeyRow.pipeline_id == pipeline_id))


def has_any(session: Session, pipeline_id: int) -> bool:
    """Return True if the pipeline has retired keys."""
    statement = select(exists().where(RetiredKeyRow.pipeline_id == pipeline_id))
    return bool(session.scalar(statement))


def find(session: Session, pipeline_id: int, keys: Sequence[str]) -> "tuple[Numbers, Numbers]":
    """Return the positions of the keys that are retired, and the ids of the tasks that had them."""
    import numpy as np  # noqa: PLC0415 - loading it takes time, and erasing a task does not need it

    digests = [digest_of(key) for key in keys]
    if is_postgresql(session):
        parameters = (_SEPARATOR.join(digests), pipeline_id)
        found = postgres_connection(session).execute(_FIND, parameters, prepare=False).fetchall()
    else:
        found = _find_on_sqlite(session, pipeline_id, digests)
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _find_on_sqlite(
    session: Session, pipeline_id: int, digests: Sequence[str]
) -> list[tuple[int, int]]:
    found = []
    place_of = {digest: place for place, digest in enumerate(digests)}
    for first in range(0, len(digests), _SQLITE_KEYS):
        rows = session.execute(
            select(RetiredKeyRow.key, RetiredKeyRow.task_id).where(
                RetiredKeyRow.pipeline_id == pipeline_id,
                RetiredKeyRow.key.in_(digests[first : first + _SQLITE_KEYS]),
            )
        )
        found += [(place_of[key], task_id) for key, task_id in rows]
    return found


def leave_out_collected(session: Session, pipeline_id: int, *, since: int) -> int:
    """Delete those of the collected tasks of a load whose keys were retired since it began.

    ``since`` is the last id that a task had then. Returns their number. PostgreSQL only.
    """
    parameters = {"pipeline_id": pipeline_id, "since": since}
    if session.scalar(_RETIRED_SINCE, parameters) is None:
        return 0
    return len(session.execute(_LEAVE_OUT, parameters).all())


_FIND: Final = rb"""
    SELECT sent.place - 1, retired_keys.task_id
    FROM unnest(string_to_array(%s, E'\x02')) WITH ORDINALITY AS sent (key, place)
    JOIN retired_keys ON retired_keys.pipeline_id = %s AND retired_keys.key = sent.key
    """
_RETIRED_SINCE: Final = text(
    "SELECT 1 FROM retired_keys WHERE pipeline_id = :pipeline_id AND task_id > :since LIMIT 1"
)
_LEAVE_OUT: Final = text(
    f"""
    DELETE FROM collected_tasks c USING retired_keys r
    WHERE r.pipeline_id = :pipeline_id AND r.task_id > :since AND r.key = CASE
        WHEN starts_with(c.key, '{DIGEST}') THEN c.key
        ELSE '{DIGEST}' || encode(sha256(convert_to(c.key, 'UTF8')), 'hex')
    END
    RETURNING r.task_id
    """  # noqa: S608 - our own names
)
