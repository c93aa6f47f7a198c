"""Stored files, and which groups want them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime


class StoredFileRow(Table):
    """A file in the storage, whether any task has it or not.

    The row is there before the file is and goes after it. ``touched_at`` says when a load last
    wanted the file; None: a clean-up is about to remove it.
    """

    __tablename__ = "stored_files"

    uri: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class GroupFileRow(Table):
    """A file that tasks of a group have; it stays for as long."""

    __tablename__ = "group_files"

    group_id: Mapped[int] = mapped_column(BigId, ForeignKey("task_groups.id"), primary_key=True)
    uri: Mapped[str] = mapped_column(
        Text, ForeignKey("stored_files.uri", ondelete="RESTRICT"), primary_key=True, index=True
    )
