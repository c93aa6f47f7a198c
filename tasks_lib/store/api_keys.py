"""Keys of the External API: make, find, list and revoke them, and note when they were used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, Select, bindparam, or_, select, update
from sqlalchemy.orm import Session

from tasks_lib.store.tables import (
    MAX_ID,
    ApiKeyRow,
    OrganizationRow,
    PipelineRow,
    ProjectRow,
)


class Access(NamedTuple):
    """A key, and the pipeline that was asked for, if the key's organization has it."""

    key_id: int
    organization_id: int
    prefix: str
    expires_at: datetime | None
    revoked_at: datetime | None
    pipeline_id: int | None


def insert_key(
    session: Session,
    *,
    organization_id: int,
    name: str,
    prefix: str,
    sha256: str,
    created_at: datetime,
    expires_at: datetime | None,
) -> int:
    """Make a key and return its id."""
    row = ApiKeyRow(
        organization_id=organization_id,
        name=name,
        prefix=prefix,
        sha256=sha256,
        created_at=created_at,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return row.id


def find_access(session: Session, sha256: str, pipeline_id: int) -> Access | None:
    """Return what a key opens, by the SHA-256 of it; None when there is no such key."""
    parameters = {"sha256": sha256, "pipeline_id": min(pipeline_id, MAX_ID)}
    found = session.connection().execute(_ACCESS, parameters).one_or_none()
    return Access(*found) if found is not None else None


def list_keys(session: Session, organization_id: int) -> list[Row[tuple[ApiKeyRow, str]]]:
    """Return the organization's keys with its name, oldest first."""
    statement = _keys().where(ApiKeyRow.organization_id == organization_id)
    return list(session.execute(statement.order_by(ApiKeyRow.id)))


def keys_named(session: Session, number: int | None, prefix: str) -> list[Row[Any]]:
    """Return the keys that have this number, or begin so, each with its organization's name."""
    is_meant = ApiKeyRow.id == number if number is not None else ApiKeyRow.prefix == prefix
    return list(session.execute(_keys().where(is_meant).order_by(ApiKeyRow.id)))


def revoke_key(session: Session, key_id: int, *, at: datetime) -> None:
    """Revoke a key; one that is revoked stays so since then."""
    session.execute(
        update(ApiKeyRow)
        .where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
        .values(revoked_at=at)
    )


def note_uses(session: Session, uses: Mapping[int, datetime]) -> None:
    """Note when keys were last used; a later note of another process stays."""
    for key_id, at in sorted(uses.items()):
        is_older = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < at)
        session.execute(
            update(ApiKeyRow).where(ApiKeyRow.id == key_id, is_older).values(last_used_at=at)
        )


def _keys() -> Select[tuple[ApiKeyRow, str]]:
    return select(ApiKeyRow, OrganizationRow.name).join(
        OrganizationRow, OrganizationRow.id == ApiKeyRow.organization_id
    )


_KEYS: Final = ApiKeyRow.metadata.tables[ApiKeyRow.__tablename__].c
_PIPELINES: Final = PipelineRow.metadata.tables[PipelineRow.__tablename__].c
_PROJECTS: Final = ProjectRow.metadata.tables[ProjectRow.__tablename__].c
_ACCESS: Final = select(
    _KEYS.id,
    _KEYS.organization_id,
    _KEYS.prefix,
    _KEYS.expires_at,
    _KEYS.revoked_at,
    select(_PIPELINES.id)
    .join_from(_PIPELINES.id.table, _PROJECTS.id.table, _PROJECTS.id == _PIPELINES.project_id)
    .where(
        _PIPELINES.id == bindparam("pipeline_id"),
        _PROJECTS.organization_id == _KEYS.organization_id,
    )
    .scalar_subquery(),
).where(_KEYS.sha256 == bindparam("sha256"))
"""Asked with every request: built once, and of tables instead of their classes."""
