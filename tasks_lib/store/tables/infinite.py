"""Infinite seedings, and the tasks that they copy."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime
from tasks_lib.store.tables.catalogue import PipelineRow
from tasks_lib.store.tables.groups import TaskGroupRow


class InfiniteSeedingRow(Table):
    """The infinite seeding of a pipeline; its row is locked while tasks are created.

    ``copied_groups`` are ``[id, tasks]`` of the groups whose values are copied, ``source_count`` is
    the sum of their tasks, and ``fields_sha256`` identifies the dataset fields that the values are
    for. New tasks go into ``group_id``, row by row. With ``error_code`` no more are created.
    """

    __tablename__ = "infinite_seedings"
    __table_args__ = (CheckConstraint("keep_available > 0", name="keep_available"),)

    pipeline_id: Mapped[int] = mapped_column(
        BigId, ForeignKey(PipelineRow.id), primary_key=True, autoincrement=False
    )
    is_enabled: Mapped[bool]
    keep_available: Mapped[int] = mapped_column(BigInteger)
    target: Mapped[int | None] = mapped_column(BigInteger)
    group_id: Mapped[int | None] = mapped_column(BigId, ForeignKey(TaskGroupRow.id))
    copied_groups: Mapped[list[list[int]]] = mapped_column(JSON)
    source_count: Mapped[int] = mapped_column(BigInteger)
    fields_sha256: Mapped[str] = mapped_column(Text)
    enabled_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reached_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reached_told: Mapped[bool]
    error_code: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)


class InfiniteSourceRow(Table):
    """A task whose values are copied, its position in the round, and a hash of its values."""

    __tablename__ = "infinite_sources"

    pipeline_id: Mapped[int] = mapped_column(
        BigId,
        ForeignKey(InfiniteSeedingRow.pipeline_id),
        primary_key=True,
        autoincrement=False,
    )
    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(BigId)
    sha256: Mapped[str] = mapped_column(Text)
