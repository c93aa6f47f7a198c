"""Blank tasks: as many as are asked for, made by the database itself in one statement."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus

_POSTGRESQL: Final = text(
    "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined)"
    " SELECT :pipeline_id, :group_id, n, :status, '{}' FROM generate_series(1, :count) AS n"
)
_SQLITE: Final = text(
    "WITH RECURSIVE numbers(n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"
    " INSERT INTO tasks (pipeline_id, group_id, row, status, predefined)"
    " SELECT :pipeline_id, :group_id, n, :status, '{}' FROM numbers"
)


def insert_blank_tasks(
    session: Session, *, pipeline_id: int, group_id: int, status: TaskStatus, count: int
) -> None:
    """Write ``count`` tasks without values into the group, in the caller's transaction."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    session.execute(
        _POSTGRESQL if is_postgresql else _SQLITE,
        {"pipeline_id": pipeline_id, "group_id": group_id, "status": status, "count": count},
    )
