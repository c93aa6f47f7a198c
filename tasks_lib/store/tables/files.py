"""Stored files, and the groups that refer to them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime
from tasks_lib.store.tables.groups import TaskGroupRow


class StoredFileRow(Table):
    """A file in the storage, whether a task refers to it or not.

    The row is inserted before the file is written, and deleted after the file is removed.
    ``touched_at`` is when a load last needed the file; None means that a clean-up is removing it.
    """

    __tablename__ = "stored_files"

    uri: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class GroupFileRow(Table):
    """A file that tasks of a group refer to, which keeps it from being removed."""

    __tablename__ = "group_files"

    group_id: Mapped[int] = mapped_column(BigId, ForeignKey(TaskGroupRow.id), primary_key=True)
    uri: Mapped[str] = mapped_column(
        Text, ForeignKey(StoredFileRow.uri, ondelete="RESTRICT"), primary_key=True, index=True
    )
