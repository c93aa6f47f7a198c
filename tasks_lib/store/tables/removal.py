"""Rows that create no task again, because theirs was removed or erased."""

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, KeyText, Table
from tasks_lib.store.tables.catalogue import PipelineRow
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.streams import StreamRow


class RemovedRow(Table):
    """A row or task that a stream has let in and whose task was removed: it stays out."""

    __tablename__ = "removed_rows"

    stream_id: Mapped[int] = mapped_column(BigId, ForeignKey(StreamRow.id), primary_key=True)
    origin_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(BigId, ForeignKey(TaskGroupRow.id))


class RetiredKeyRow(Table):
    """The key of a task that was deleted or erased, as a digest: its row creates no other task."""

    __tablename__ = "retired_keys"

    pipeline_id: Mapped[int] = mapped_column(
        BigId, ForeignKey(PipelineRow.id), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(KeyText, primary_key=True)
    task_id: Mapped[int] = mapped_column(BigInteger)
