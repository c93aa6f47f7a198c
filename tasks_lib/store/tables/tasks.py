"""Tasks and their moves."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.tables.base import BigId, JsonText, KeyText, Table, UtcDateTime, partial_index
from tasks_lib.store.tables.groups import TaskGroupRow


class TaskRow(Table):
    """A task. ``row`` is its number in the group's source; a row becomes one task, never two.

    - ``predefined`` holds the seeded values, ``filled_in`` those of the contributor.
    - ``origin_id`` is the id of the dataset row or source task; it is unique in the stream.
    - ``key`` is the text of the values that identify the task (see ``domain.rows.keys``). It is
      unique in the pipeline, and None if the pipeline has no key or the task was erased.
    - ``claimed_by`` stays when the task is finished; without a claim it is None.
    - ``finish_number`` grows in the order in which the pipeline's tasks are finished.
    - ``erased_at`` says when the values were removed. No task is made from an erased one.

    A number is never given to a second task, on SQLite either, see migration 0023: people, cursors
    and other tables may still name it when the task was deleted.

    One foreign key over both columns refers to the group and the group's pipeline. PostgreSQL would
    look up the group of each row of a COPY, so triggers take the place of the key there: see
    migration 0014.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        UniqueConstraint("group_id", "row"),
        ForeignKeyConstraint(
            ["group_id", "pipeline_id"], [TaskGroupRow.id, TaskGroupRow.pipeline_id]
        ).ddl_if(dialect="sqlite"),
        Index(None, "pipeline_id", "status", "id"),
        partial_index(
            "uq_tasks_stream_id_origin_id",
            "stream_id",
            "origin_id",
            where="stream_id IS NOT NULL",
            is_unique=True,
        ),
        partial_index(
            "ix_tasks_claim_expires_at", "claim_expires_at", where="claim_expires_at IS NOT NULL"
        ),
        partial_index(
            "ix_tasks_finish_number",
            "pipeline_id",
            "finish_number",
            where="finish_number IS NOT NULL",
        ),
        partial_index(
            "uq_tasks_pipeline_id_key",
            "pipeline_id",
            "key",
            where="key IS NOT NULL",
            is_unique=True,
        ),
        CheckConstraint(
            f"status IN ({', '.join(repr(status.value) for status in TaskStatus)})", name="status"
        ),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId)
    group_id: Mapped[int] = mapped_column(BigId)
    row: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    predefined: Mapped[str] = mapped_column(JsonText)
    filled_in: Mapped[str | None] = mapped_column(JsonText)
    stream_id: Mapped[int | None] = mapped_column(BigId)
    origin_id: Mapped[int | None] = mapped_column(BigId)
    claimed_by: Mapped[str | None] = mapped_column(Text)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    claim_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finish_number: Mapped[int | None] = mapped_column(BigInteger)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    key: Mapped[str | None] = mapped_column(KeyText)


class TaskMoveRow(Table):
    """A move of a task from one status to another: by whom, when and why."""

    __tablename__ = "task_moves"

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, ForeignKey(TaskRow.id), index=True)
    move: Mapped[str] = mapped_column(Text)
    from_status: Mapped[str] = mapped_column(Text)
    to_status: Mapped[str] = mapped_column(Text)
    by: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
