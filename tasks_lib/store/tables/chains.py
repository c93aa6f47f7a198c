"""Chains, and their inboxes."""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Identity, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.domain.chains import Trigger
from tasks_lib.store.tables.base import BigId, Table, UtcDateTime
from tasks_lib.store.tables.catalogue import OrganizationRow, PipelineRow
from tasks_lib.store.tables.tasks import TaskRow


class ChainRow(Table):
    """A chain: finished tasks of the source are seeded into the target, on ``trigger``.

    ``plan_sha256`` identifies the plan that waiting tasks were last tried with: when the plan
    changes, misfits are retried. ``automation_enabled`` is the last known state of the automation;
    a different state in Prefect means that it was switched in the Prefect UI. ``failed_at`` is
    since when it has failed for the reason in ``error_message``, and ``announced_failure_at`` the
    latest ``failed_at`` that was announced to Prefect.
    """

    __tablename__ = "chains"
    __table_args__ = (
        UniqueConstraint("source_pipeline_id", "target_pipeline_id", "trigger"),
        CheckConstraint("source_pipeline_id <> target_pipeline_id", name="two_pipelines"),
        CheckConstraint(
            f'"trigger" IN ({", ".join(repr(trigger.value) for trigger in Trigger)})',
            name="trigger",
        ),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey(OrganizationRow.id), index=True)
    source_pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id))
    target_pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id))
    trigger: Mapped[str] = mapped_column("trigger", Text, quote=True)
    mapping: Mapped[dict[str, str]] = mapped_column(JSON)
    skip: Mapped[list[str]] = mapped_column(JSON)
    columns: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    plan_sha256: Mapped[str | None] = mapped_column(Text)
    is_paused: Mapped[bool] = mapped_column(default=False)
    automation_id: Mapped[str | None] = mapped_column(Text)
    automation_enabled: Mapped[bool | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    looked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)
    announced_failure_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ChainInboxRow(Table):
    """A finished task that waits for a chain; with an error, it did not fit when last tried.

    The statement that finishes the task inserts it, and the transaction that creates the target's
    task deletes it. It has no foreign key to the chain, which would lock the chain's row for each
    task; instead, a transaction that deletes a chain keeps tasks from being finished meanwhile.
    """

    __tablename__ = "chain_inbox"

    chain_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(
        BigId, ForeignKey(TaskRow.id), primary_key=True, autoincrement=False, index=True
    )
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error_code: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)
