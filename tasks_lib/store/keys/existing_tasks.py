"""The keys of existing tasks, which are filled in when their pipeline gets or changes its key."""

from typing import Final, NamedTuple

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.domain.rows.keys import KeyOf
from tasks_lib.store.bulk import insert_rows
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.tasks import TaskRow

_LOCK: Final = 0x5EED << 48
"""Above the numbers of pipelines, and different from the other advisory locks."""

_ROWS_AT_ONCE: Final = 5_000
_SHOWN: Final = 5

_TASKS: Final = TaskRow.metadata.tables[TaskRow.__tablename__]
_VALUES: Final = (
    select(_TASKS.c.id, _TASKS.c.predefined)
    .where(_TASKS.c.pipeline_id == bindparam("pipeline_id"), _TASKS.c.erased_at.is_(None))
    .execution_options(yield_per=_ROWS_AT_ONCE)
)
_CLEAR: Final = (
    update(_TASKS)
    .where(_TASKS.c.pipeline_id == bindparam("of_pipeline"), _TASKS.c.key.is_not(None))
    .values(key=None)
)
_FILL: Final = text(
    "UPDATE tasks SET key = declared_keys.key FROM declared_keys"
    " WHERE tasks.id = declared_keys.task_id"
)
_DUPLICATES: Final = text(
    "SELECT min(task_id), max(task_id), count(*) FROM declared_keys"
    " GROUP BY key HAVING count(*) > 1 ORDER BY 1 LIMIT :limit"
)
_TAKE_LOCK: Final = text("SELECT pg_advisory_xact_lock(:lock)")
_ONE: Final = select(_TASKS.c.predefined).where(_TASKS.c.id == bindparam("id"))


class DuplicateKey(NamedTuple):
    """A key that several tasks have: the first and the last of them, and how many there are."""

    first_id: int
    last_id: int
    tasks: int
    predefined: str


def lock_keys(session: Session, pipeline_id: int) -> None:
    """Let no other transaction insert keys into the pipeline until this one ends.

    On SQLite the write lock does that.
    """
    if is_postgresql(session):
        session.execute(_TAKE_LOCK, {"lock": _LOCK + pipeline_id})


def clear_keys(session: Session, pipeline_id: int) -> None:
    """Remove the keys of all tasks of the pipeline, which the caller has locked for update."""
    session.execute(_CLEAR, {"of_pipeline": pipeline_id})


def fill_keys(session: Session, pipeline_id: int, key_of: KeyOf) -> list[DuplicateKey]:
    """Give every task of the pipeline its key; the caller has locked the pipeline for update.

    Erased tasks have no values, and get none.

    If several tasks have the same key, nothing is changed, and the first of those keys are
    returned. The tasks are read in a stream, and what ``key_of`` raises is raised.
    """
    import pyarrow as pa  # noqa: PLC0415 - loading it takes time, and few catalogues need it

    kind = "ON COMMIT DROP" if is_postgresql(session) else ""
    collation = ' COLLATE "C"' if is_postgresql(session) else ""
    session.execute(
        text(
            "CREATE TEMPORARY TABLE declared_keys"
            f" (task_id BIGINT NOT NULL, key TEXT{collation} NOT NULL) {kind}"
        )
    )
    with session.execute(_VALUES, {"pipeline_id": pipeline_id}) as rows:
        for some in rows.partitions():
            ids, texts = zip(*some, strict=True)
            keys = [key_of(values) for values in texts]
            batch = (pa.array(ids, pa.int64()), pa.array(keys, pa.string()))
            insert_rows(session, "declared_keys", {}, ("task_id", "key"), [batch])
    duplicates = [
        DuplicateKey(first, last, tasks, session.scalars(_ONE, {"id": first}).one())
        for first, last, tasks in session.execute(_DUPLICATES, {"limit": _SHOWN}).all()
    ]
    if not duplicates:
        clear_keys(session, pipeline_id)
        session.execute(_FILL)
    session.execute(text("DROP TABLE declared_keys"))
    return duplicates
