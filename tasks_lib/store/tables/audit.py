"""The audit trail: who did what, and when."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Identity, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime
from tasks_lib.store.tables.catalogue import OrganizationRow


class AuditEntryRow(Table):
    """An act, written by the transaction that did it. ``subject`` names what it was done to."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey(OrganizationRow.id), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column("by", Text, quote=True)
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
