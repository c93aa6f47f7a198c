"""The reports of runs."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime, partial_index
from tasks_lib.store.tables.catalogue import PipelineRow
from tasks_lib.store.tables.groups import TaskGroupRow


class SeedingRunRow(Table):
    """The report of a run, committed with its tasks, so that a retry finds it.

    ``announce_at`` is when a relay announces the report to Prefect, unless that was done by then.
    ``run_url`` is the run's page in the Prefect UI, if it has one. ``name`` and ``labels`` are
    those of the group, or those that it would have had.
    """

    __tablename__ = "seeding_runs"
    __table_args__ = (
        partial_index(
            "ix_seeding_runs_announce_at", "announce_at", where="announce_at IS NOT NULL"
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id))
    group_id: Mapped[int | None] = mapped_column(BigId, ForeignKey(TaskGroupRow.id))
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
    run_url: Mapped[str | None] = mapped_column(Text)
    announce_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    name: Mapped[str | None] = mapped_column(Text)
    labels: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default=text("'{}'"))


class ImportRunRow(Table):
    """The report of a flow run's import, committed with its rows, so that a retry finds it."""

    __tablename__ = "import_runs"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
