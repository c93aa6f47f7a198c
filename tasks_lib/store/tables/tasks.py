"""Tasks and their groups, moves, counts, announcements and reports."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.domain.lifecycle import DONE
from tasks_lib.domain.statuses import GroupState, TaskStatus
from tasks_lib.store.tables.base import BigId, JsonText, KeyText, Table, UtcDateTime, partial_index


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
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    kind: Mapped[str] = mapped_column(Text)
    seed_key: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stream_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("streams.id"))
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
            ["group_id", "pipeline_id"], ["task_groups.id", "task_groups.pipeline_id"]
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
    task_id: Mapped[int] = mapped_column(BigId, ForeignKey("tasks.id"), index=True)
    move: Mapped[str] = mapped_column(Text)
    from_status: Mapped[str] = mapped_column(Text)
    to_status: Mapped[str] = mapped_column(Text)
    by: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class TaskUpdateRow(Table):
    """The values that a task had until a row of ``group_id`` with its key gave it new ones.

    On PostgreSQL triggers take the place of the foreign keys: see migration 0034.
    """

    __tablename__ = "task_updates"
    __table_args__ = (
        ForeignKeyConstraint(["task_id"], ["tasks.id"], ondelete="CASCADE").ddl_if(
            dialect="sqlite"
        ),
        ForeignKeyConstraint(["group_id"], ["task_groups.id"]).ddl_if(dialect="sqlite"),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    task_id: Mapped[int] = mapped_column(BigId, index=True)
    group_id: Mapped[int] = mapped_column(BigId, index=True)
    predefined: Mapped[str] = mapped_column(JsonText)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class RetiredKeyRow(Table):
    """The key of a task that was deleted or erased, as a digest: its row creates no other task."""

    __tablename__ = "retired_keys"

    pipeline_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("pipelines.id"), primary_key=True, autoincrement=False
    )
    key: Mapped[str] = mapped_column(KeyText, primary_key=True)
    task_id: Mapped[int] = mapped_column(BigInteger)


class RetentionRow(Table):
    """The deletion of a pipeline's tasks whose retention is over.

    ``finished`` and ``withdrawn`` are the numbers of tasks deleted ever, ``unrecorded`` of those
    that the audit trail does not have yet. ``status`` is that of the tasks that are being looked
    at, from ``after`` on; without it none are.
    """

    __tablename__ = "retentions"

    pipeline_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("pipelines.id"), primary_key=True, autoincrement=False
    )
    finished: Mapped[int] = mapped_column(BigInteger, default=0)
    withdrawn: Mapped[int] = mapped_column(BigInteger, default=0)
    unrecorded_finished: Mapped[int] = mapped_column(BigInteger, default=0)
    unrecorded_withdrawn: Mapped[int] = mapped_column(BigInteger, default=0)
    status: Mapped[str | None] = mapped_column(Text)
    after: Mapped[int] = mapped_column(BigInteger, default=0)


class _ByStatus:
    """A number for each status of a task."""

    pending: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    in_progress: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    paused: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    finished: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    escalated: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    quarantined: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    failed: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    withdrawn: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


class TaskCountRow(_ByStatus, Table):
    """The number of a pipeline's tasks by stored status, and of claims ever.

    Every transaction that creates or moves tasks updates the counts. A pipeline's numbers are the
    sums over its rows; in a single row a number can be negative. On PostgreSQL each connection
    writes rows of its own, so that none waits for another, and now and then they are added to the
    row with slot 0 and to ``GroupCountRow``. A row with a ``group_id`` is not yet in the latter.
    The table has no foreign keys, which would lock the pipeline's row for each new row.
    """

    __tablename__ = "task_counts"

    pipeline_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    slot: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, default=0, server_default=text("0")
    )
    claims: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


_LEFT: Final = " + ".join(status.value for status in TaskStatus if status not in DONE)
UNSETTLED_GROUP: Final = (
    f"({_LEFT} = 0 AND finished + withdrawn > 0 AND completed IS NULL)"
    f" OR (completed IS NOT NULL AND ({_LEFT} > 0 OR finished <> completed))"
)
"""The condition of the counts of a group that has finished or was reopened unnoticed."""


class GroupCountRow(_ByStatus, Table):
    """The number of a group's tasks by stored status, without those still in ``TaskCountRow``.

    ``completed`` is the number of finished tasks when the group was found finished, and None while
    it is open.
    """

    __tablename__ = "group_counts"
    __table_args__ = (
        partial_index("ix_group_counts_unsettled", "group_id", where=UNSETTLED_GROUP),
    )

    group_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    completed: Mapped[int | None] = mapped_column(BigInteger)


class TaskQueueRow(Table):
    """Where the queue of a pipeline begins, on PostgreSQL: no task before ``first_id`` is pending.

    ``generation`` grows whenever the counts are added up; then connections begin new rows. Without
    a row both are 0.
    """

    __tablename__ = "task_queues"

    pipeline_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("pipelines.id"), primary_key=True, autoincrement=False
    )
    first_id: Mapped[int] = mapped_column(BigInteger)
    generation: Mapped[int] = mapped_column(BigInteger)


class AnnouncementRow(Table):
    """How many claims and finished tasks of a pipeline were announced to Prefect.

    The difference between the counts and these numbers is pending: the counts are the outbox.
    ``completed`` is the number of finished tasks when the pipeline was last announced as finished.
    ``leased_until`` keeps two relays from announcing the same at the same time.
    """

    __tablename__ = "announcements"

    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"), primary_key=True)
    claims: Mapped[int] = mapped_column(BigInteger, default=0)
    finished: Mapped[int] = mapped_column(BigInteger, default=0)
    completed: Mapped[int] = mapped_column(BigInteger, default=0)
    announced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


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
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    group_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("task_groups.id"))
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
    run_url: Mapped[str | None] = mapped_column(Text)
    announce_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    name: Mapped[str | None] = mapped_column(Text)
    labels: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, server_default=text("'{}'"))
