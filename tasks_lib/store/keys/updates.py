"""Give untouched tasks the values of changed rows, and record the values that they had."""

from datetime import datetime
from typing import Final

import pyarrow as pa
from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from tasks_lib.store.bulk import insert_rows
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.base import UtcDateTime
from tasks_lib.store.tasks.untouched import has_copies, untouched_condition

MAX_TOUCHED_LISTED: Final = 100


class TaskUpdates:
    """Collects changed rows, and updates those of their tasks that nobody has touched.

    ``updated`` counts the tasks; ``touched`` lists the first rows whose tasks were kept.
    """

    def __init__(self, session: Session, *, pipeline_id: int, group_id: int, at: datetime) -> None:
        self.updated = 0
        self.touched: list[int] = []
        self._session = session
        self._pipeline_id = pipeline_id
        self._group_id = group_id
        self._at = at
        self._is_created = False

    def collect(self, task_ids: pa.Array, rows: pa.Array, predefined: pa.Array) -> None:
        """Remember the changed rows of different tasks."""
        if not len(task_ids):
            return
        if not self._is_created:
            kind = "JSON" if is_postgresql(self._session) else "TEXT"
            self._session.execute(text(_CREATE.format(kind)))
            self._is_created = True
        columns = ("task_id", "row", "predefined")
        insert_rows(self._session, "changed_rows", {}, columns, [(task_ids, rows, predefined)])

    def apply(self) -> None:
        """Update the untouched tasks of the collected rows, and list the rows of the others.

        On PostgreSQL the tasks are locked first, by a statement of its own: it waits for those who
        are claiming them, and the next statement sees their claims. That one does all the rest.
        """
        if not self._is_created:
            return
        session = self._session
        copied = has_copies(session, self._pipeline_id)
        condition = f"tasks.erased_at IS NULL AND {untouched_condition(has_copies=copied)}"
        room = MAX_TOUCHED_LISTED - len(self.touched)
        parameters: dict[str, object] = {
            "group_id": self._group_id,
            "at": self._at,
            "limit": room,
        }
        of_copies = {"pipeline_id": self._pipeline_id} if copied else {}
        if is_postgresql(session):
            session.execute(_LOCK)
            statement = text(_AT_ONCE.format(condition)).bindparams(_AT)
            collected, updated = session.execute(statement, parameters | of_copies).one()
            has_touched = updated < collected
            touched = session.scalars(_KEPT, parameters).all() if has_touched else ()
        else:
            session.execute(text(_MARK.format(condition)), of_copies)
            session.execute(_RECORD, parameters)
            session.execute(_UPDATE)
            updated = session.scalar(_COUNT)
            touched = session.scalars(_TOUCHED, parameters).all()
        self.updated += updated or 0
        self.touched += touched
        session.execute(_DROP)
        self._is_created = False


_CREATE: Final = (
    "CREATE TEMPORARY TABLE changed_rows (task_id BIGINT PRIMARY KEY, row BIGINT NOT NULL,"
    " predefined {} NOT NULL, is_untouched BOOLEAN NOT NULL DEFAULT FALSE)"
)
_LOCK: Final = text(
    """
    SELECT count(*) FROM (SELECT task_id FROM changed_rows ORDER BY task_id) AS changed
    CROSS JOIN LATERAL (
        SELECT FROM tasks WHERE tasks.id = changed.task_id LIMIT 1 FOR UPDATE
    ) AS locked
    """
)
"""The limit makes PostgreSQL look each task up, in the order of their ids."""

_AT: Final = bindparam("at", type_=UtcDateTime)
_AT_ONCE: Final = """
    WITH updated AS (
        UPDATE tasks SET predefined = changed_rows.predefined FROM changed_rows
        WHERE tasks.id = changed_rows.task_id AND {}
        RETURNING tasks.id, (
            SELECT before.predefined FROM tasks AS before WHERE before.id = tasks.id
        ) AS predefined
    ), recorded AS (
        INSERT INTO task_updates (task_id, group_id, predefined, at)
        SELECT id, :group_id, predefined, :at FROM updated
    )
    SELECT (SELECT count(*) FROM changed_rows), (SELECT count(*) FROM updated)
    """
"""A statement does not see its own updates: the subquery returns the values from before."""

_KEPT: Final = text(
    "SELECT row FROM changed_rows WHERE NOT EXISTS (SELECT FROM task_updates"
    " WHERE task_updates.task_id = changed_rows.task_id AND group_id = :group_id)"
    " ORDER BY row LIMIT :limit"
)
_MARK: Final = (
    "UPDATE changed_rows SET is_untouched = TRUE FROM tasks"
    " WHERE tasks.id = changed_rows.task_id AND {}"
)
_RECORD: Final = text(
    "INSERT INTO task_updates (task_id, group_id, predefined, at)"
    " SELECT tasks.id, :group_id, tasks.predefined, :at FROM changed_rows"
    " JOIN tasks ON tasks.id = changed_rows.task_id WHERE changed_rows.is_untouched"
).bindparams(_AT)
_UPDATE: Final = text(
    "UPDATE tasks SET predefined = changed_rows.predefined FROM changed_rows"
    " WHERE tasks.id = changed_rows.task_id AND changed_rows.is_untouched"
)
_COUNT: Final = text("SELECT count(*) FROM changed_rows WHERE is_untouched")
_TOUCHED: Final = text(
    "SELECT row FROM changed_rows WHERE NOT is_untouched ORDER BY row LIMIT :limit"
)
_DROP: Final = text("DROP TABLE changed_rows")
