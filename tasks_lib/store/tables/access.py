"""What the External API keeps: keys, answers that were given, uploads."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime


class ApiKeyRow(Table):
    """A key of the External API: its SHA-256, never itself."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("sha256"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey("organizations.id"))
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IdempotentAnswerRow(Table):
    """The answer to a call that named an idempotency key, committed with what the call made."""

    __tablename__ = "idempotent_answers"

    organization_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("organizations.id"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_sha256: Mapped[str] = mapped_column(Text)
    status: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class UploadRow(Table):
    """A file that comes through the External API, from the promise of a URL to its report.

    The seeding that it starts has its id as the run's id, so that it happens once and leaves one
    report. ``leased_until`` says how long who works on it is believed to live; ``flow_run_id`` is
    Prefect's, if it runs there. With ``removed_at`` the file is no longer there.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        Index(
            "ix_uploads_status",
            "status",
            postgresql_where=text("removed_at IS NULL"),
            sqlite_where=text("removed_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey("pipelines.id"))
    name: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text)
    on_error: Mapped[str] = mapped_column(Text)
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
