"""The groups of tasks."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Identity,
    Integer,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.domain.statuses import GroupState
from tasks_lib.store.tables.base import BigId, Table, UtcDateTime, partial_index
from tasks_lib.store.tables.catalogue import PipelineRow
from tasks_lib.store.tables.streams import StreamRow


class TaskGroupRow(Table):
    """One seeding. ``seed_key`` identifies what was seeded; it is unique in the pipeline.

    ``announce_at`` is when a relay announces the group to Prefect, unless that was done by then. It
    is None for a group whose run has a report, which is announced instead. ``chain_id`` is the
    chain that created it, even if the chain was deleted.

    ``task_count`` is the number of tasks that exist, ``removed_count`` of those that an undo has
    removed, ``expired_count`` of those that were deleted because their retention was over. With
    ``flows_again`` the undo lets their rows flow again. ``has_stale_files``: tasks were deleted,
    and the group may refer to files that none of its tasks has any more. ``name`` and ``labels``
    are those that the seeding gave it. ``source_version`` is the version of the dataset that was
    seeded. ``finished_at`` is when the group was found finished, and None while it is open;
    ``announce_finish_at`` is the same, or the end of a lease, until that was announced.
    """

    __tablename__ = "task_groups"
    __table_args__ = (
        UniqueConstraint("pipeline_id", "seed_key"),
        UniqueConstraint("id", "pipeline_id"),  # for the foreign key of tasks
        partial_index("ix_task_groups_announce_at", "announce_at", where="announce_at IS NOT NULL"),
        partial_index(
            "ix_task_groups_announce_finish_at",
            "announce_finish_at",
            where="announce_finish_at IS NOT NULL",
        ),
        partial_index("ix_task_groups_undoing", "id", where="state = 'undoing'"),
        partial_index("ix_task_groups_stale_files", "id", where="has_stale_files"),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id))
    kind: Mapped[str] = mapped_column(Text)
    seed_key: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stream_id: Mapped[int | None] = mapped_column(BigId, ForeignKey(StreamRow.id))
    chain_id: Mapped[int | None] = mapped_column(BigId)
    task_count: Mapped[int] = mapped_column(BigInteger, default=0)
    rejected_count: Mapped[int] = mapped_column(BigInteger, default=0)
    announce_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(Text, default=GroupState.CREATED, server_default="created")
    removed_count: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    undone_by: Mapped[str | None] = mapped_column(Text)
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    flows_again: Mapped[bool | None]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    announce_finish_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    name: Mapped[str | None] = mapped_column(Text)
    labels: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default=text("'{}'"))
    expired_count: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    has_stale_files: Mapped[bool] = mapped_column(default=False, server_default=false())
    source_version: Mapped[int | None] = mapped_column(Integer)
