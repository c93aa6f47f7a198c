"""The values that tasks had."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Identity
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, JsonText, Table, UtcDateTime
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.tasks import TaskRow


class TaskUpdateRow(Table):
    """The values that a task had until a row of ``group_id`` with its key gave it new ones.

    On PostgreSQL triggers take the place of the foreign keys: see migration 0034.
    """

    __tablename__ = "task_updates"
    __table_args__ = (
        ForeignKeyConstraint(["task_id"], [TaskRow.id], ondelete="CASCADE").ddl_if(
            dialect="sqlite"
        ),
        ForeignKeyConstraint(["group_id"], [TaskGroupRow.id]).ddl_if(dialect="sqlite"),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, index=True)
    group_id: Mapped[int] = mapped_column(BigId, index=True)
    predefined: Mapped[str] = mapped_column(JsonText)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
