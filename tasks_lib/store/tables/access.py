"""The tables of the HTTP API: keys, stored answers, uploads."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime, partial_index
from tasks_lib.store.tables.catalogue import OrganizationRow, PipelineRow


class ApiKeyRow(Table):
    """An API key: its SHA-256, never the key itself."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("sha256"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey(OrganizationRow.id))
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IdempotentAnswerRow(Table):
    """The answer to a request with an idempotency key, committed with the request's changes."""

    __tablename__ = "idempotent_answers"

    organization_id: Mapped[int] = mapped_column(
        BigId, ForeignKey(OrganizationRow.id), primary_key=True
    )
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_sha256: Mapped[str] = mapped_column(Text)
    status: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class UploadRow(Table):
    """A file that is uploaded over the HTTP API, from its URL to its report.

    Its id is the run id of its seeding, so that it is seeded once and has one report. ``options``
    are the members of the seeding's request that were given.
    ``leased_until`` is the end of the lease of its worker, ``flow_run_id`` the Prefect flow run, if
    there is one. With ``removed_at`` the file was removed from the storage.
    """

    __tablename__ = "uploads"
    __table_args__ = (partial_index("ix_uploads_status", "status", where="removed_at IS NULL"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id))
    name: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text)
    on_error: Mapped[str] = mapped_column(Text)
    max_rejected: Mapped[str | None] = mapped_column(Text)
    options: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    declared_bytes: Mapped[int | None] = mapped_column(BigInteger)
    token_sha256: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    kind: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    flow_run_id: Mapped[str | None] = mapped_column(Text)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    total_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    message: Mapped[str | None] = mapped_column(Text)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
