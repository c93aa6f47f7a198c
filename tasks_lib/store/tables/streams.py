"""Streams, which let each row or task of a source into a pipeline once."""

from sqlalchemy import JSON, ForeignKey, Identity, Integer, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table
from tasks_lib.store.tables.catalogue import PipelineRow


class StreamRow(Table):
    """A stream lets each row or task of one source into one pipeline once.

    ``source`` is ``dataset:<id>`` or ``pipeline:<id>``. A new ``generation`` lets all in again.
    ``filled_from`` is field to column, as of the last seeding; None before the first.
    """

    __tablename__ = "streams"
    __table_args__ = (UniqueConstraint("pipeline_id", "source", "generation"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id))
    source: Mapped[str] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(Integer)
    filled_from: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
