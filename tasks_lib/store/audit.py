"""The audit trail: append entries, and read them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from tasks_lib.domain.audit import Action, AuditEntry
from tasks_lib.store.tables.audit import AuditEntryRow
from tasks_lib.store.tables.base import MAX_ID
from tasks_lib.store.tables.catalogue import OrganizationRow, PipelineRow, ProjectRow


def record(
    session: Session,
    organization_id: int,
    action: Action,
    subject: str,
    *,
    by: str,
    at: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry, in the transaction that does the act."""
    session.execute(
        insert(AuditEntryRow).values(
            organization_id=organization_id,
            at=at,
            by=by,
            action=action.value,
            subject=subject,
            details=dict(details or {}),
        )
    )


def record_for_pipeline(
    session: Session,
    pipeline_id: int,
    action: Action,
    subject: str,
    *,
    by: str,
    at: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry about something in the pipeline, whose organization is looked up."""
    organization_id = session.execute(
        select(ProjectRow.organization_id)
        .join(PipelineRow, PipelineRow.project_id == ProjectRow.id)
        .where(PipelineRow.id == pipeline_id)
    ).scalar_one()
    record(session, organization_id, action, subject, by=by, at=at, details=details)


def list_entries(
    session: Session, organization_id: int | None, *, before: int | None, limit: int
) -> list[AuditEntry]:
    """Return entries, newest first; of all organizations, or of one.

    They begin before the entry with the id ``before``.
    """
    entry = AuditEntryRow.__table__.c
    statement = (
        select(
            entry.id,
            entry.at,
            OrganizationRow.name,
            entry.by,
            entry.action,
            entry.subject,
            entry.details,
        )
        .join(OrganizationRow, OrganizationRow.id == entry.organization_id)
        .order_by(entry.id.desc())
        .limit(limit)
    )
    if organization_id is not None:
        statement = statement.where(entry.organization_id == organization_id)
    if before is not None:
        statement = statement.where(entry.id < min(before, MAX_ID))
    return [
        AuditEntry(number, at, organization, by, Action(action), subject, details)
        for number, at, organization, by, action, subject, details in session.execute(statement)
    ]
