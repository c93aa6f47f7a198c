"""Organizations, projects, pipelines and their fields."""

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Identity, Integer, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.domain.rows.keys import OnChange, OnMissing
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.store.tables.base import BigId, Table


class OrganizationRow(Table):
    """An organization; nothing crosses it.

    ``pseudonym_salt`` makes the pseudonyms of erased contributors; None until the first one.
    """

    __tablename__ = "organizations"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    pseudonym_salt: Mapped[str | None] = mapped_column(Text)


class ProjectRow(Table):
    """A project of an organization."""

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey(OrganizationRow.id))
    name: Mapped[str] = mapped_column(Text)


class PipelineRow(Table):
    """A pipeline; its row is locked, shared, while tasks are created for its fields.

    ``key`` lists the names of the fields that identify a task; it is empty without a key.
    ``retention`` holds seconds by status.
    """

    __tablename__ = "pipelines"
    __table_args__ = (
        UniqueConstraint("project_id", "name"),
        CheckConstraint(
            f"status IN ({', '.join(repr(status.value) for status in PipelineStatus)})",
            name="status",
        ),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    project_id: Mapped[int] = mapped_column(BigId, ForeignKey(ProjectRow.id))
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    claim_timeout_seconds: Mapped[int | None] = mapped_column(Integer)
    key: Mapped[list[str]] = mapped_column(JSON, server_default="[]")
    on_change: Mapped[str] = mapped_column(Text, server_default=OnChange.KEEP.value)
    on_missing: Mapped[str] = mapped_column(Text, server_default=OnMissing.KEEP.value)
    retention: Mapped[dict[str, int]] = mapped_column(JSON, server_default="{}")


class FieldRow(Table):
    """A field of a pipeline; ``constraints`` holds its settings that have no column."""

    __tablename__ = "fields"
    __table_args__ = (
        UniqueConstraint("pipeline_id", "name"),
        UniqueConstraint("pipeline_id", "position"),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id))
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    required: Mapped[bool]
    constraints: Mapped[dict[str, Any]] = mapped_column(JSON)
