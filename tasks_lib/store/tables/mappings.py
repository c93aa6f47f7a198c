"""Saved mappings."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Identity, Integer, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime
from tasks_lib.store.tables.catalogue import PipelineRow


class SavedMappingRow(Table):
    """A version of a mapping into a pipeline, with the columns of the source it was saved for."""

    __tablename__ = "saved_mappings"
    __table_args__ = (UniqueConstraint("pipeline_id", "name", "version"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id))
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(Text)
    columns: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    mapping: Mapped[dict[str, str]] = mapped_column(JSON)
    skip: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
