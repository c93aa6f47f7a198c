"""Exports of results: how far each one has come."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime, partial_index
from tasks_lib.store.tables.catalogue import PipelineRow


class ResultExportRow(Table):
    """An export of a pipeline's results, or of one group's, to a destination.

    ``scope`` identifies it within the pipeline: the format, the group and the destination. Tasks
    with finish numbers up to ``exported_until`` are at the destination, and the files of those up
    to ``files_until``. While ``pending_until`` is
    set, a run brings those after ``pending_from`` up to it there; another run does the same again,
    with the same files, if the first one dies. ``exported`` counts the tasks of the runs with news
    that are not announced yet; ``announce_at`` is when a relay announces it to Prefect. ``ran_at``
    is when a run began last.
    """

    __tablename__ = "result_exports"
    __table_args__ = (
        partial_index(
            "ix_result_exports_announce_at", "announce_at", where="announce_at IS NOT NULL"
        ),
    )

    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id), primary_key=True)
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    destination: Mapped[str] = mapped_column(Text)
    group_id: Mapped[int | None] = mapped_column(BigId)
    exported_until: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    files_until: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    pending_from: Mapped[int | None] = mapped_column(BigInteger)
    pending_until: Mapped[int | None] = mapped_column(BigInteger)
    exported: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    announce_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ran_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeclaredResultsRow(Table):
    """An export that a catalogue declares; ``scope`` is that of its ``ResultExportRow``."""

    __tablename__ = "declared_results"

    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    format: Mapped[str] = mapped_column(Text)
    by_day: Mapped[bool]
    with_source: Mapped[bool]
    with_files: Mapped[bool] = mapped_column(default=False, server_default=false())
    scope: Mapped[str] = mapped_column(Text)
