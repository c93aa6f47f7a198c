"""API keys: insert, find, list and revoke them, and record when they were last used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from tasks_lib.store.tables.access import ApiKeyRow
from tasks_lib.store.tables.base import MAX_ID
from tasks_lib.store.tables.catalogue import OrganizationRow, PipelineRow, ProjectRow


class Access(NamedTuple):
    """An API key, and the requested pipeline if it belongs to the key's organization."""

    key_id: int
    organization_id: int
    name: str
    prefix: str
    expires_at: datetime | None
    revoked_at: datetime | None
    pipeline_id: int | None


class StoredKey(NamedTuple):
    """An API key with the name of its organization, without its hash."""

    id: int
    organization: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


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
    """Insert an API key and return its id."""
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
    """Return the API key with this SHA-256, and whether it opens the pipeline; None if unknown."""
    parameters = {"sha256": sha256, "pipeline_id": min(pipeline_id, MAX_ID)}
    row = session.connection().execute(_ACCESS, parameters).one_or_none()
    return Access(*row) if row is not None else None


def list_keys(session: Session, organization_id: int) -> list[StoredKey]:
    """Return the organization's API keys, oldest first."""
    statement = _SELECT.where(_KEYS.organization_id == organization_id).order_by(_KEYS.id)
    return [StoredKey._make(row) for row in session.execute(statement)]


def find_keys(session: Session, key_id: int | None, prefix: str) -> list[StoredKey]:
    """Return the API key with this id; if it is None, those that begin with ``prefix``."""
    is_match = _KEYS.id == min(key_id, MAX_ID) if key_id is not None else _KEYS.prefix == prefix
    rows = session.execute(_SELECT.where(is_match).order_by(_KEYS.id))
    return [StoredKey._make(row) for row in rows]


def revoke_key(session: Session, key_id: int, *, at: datetime) -> StoredKey:
    """Revoke an API key and return it; one that was revoked before keeps its ``revoked_at``."""
    session.execute(
        update(ApiKeyRow)
        .where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return StoredKey._make(session.execute(_SELECT.where(_KEYS.id == key_id)).one())


def record_uses(session: Session, uses: Mapping[int, datetime]) -> None:
    """Record when API keys were last used; a later time of another process stays."""
    for key_id, at in sorted(uses.items()):
        is_older = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < at)
        session.execute(
            update(ApiKeyRow).where(ApiKeyRow.id == key_id, is_older).values(last_used_at=at)
        )


_KEYS: Final = ApiKeyRow.metadata.tables[ApiKeyRow.__tablename__].c
_PIPELINES: Final = PipelineRow.metadata.tables[PipelineRow.__tablename__].c
_PROJECTS: Final = ProjectRow.metadata.tables[ProjectRow.__tablename__].c
_ACCESS: Final = select(
    _KEYS.id,
    _KEYS.organization_id,
    _KEYS.name,
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
"""Runs for every request: built once, and from tables instead of their classes."""

_SELECT: Final = select(
    _KEYS.id,
    OrganizationRow.name,
    *(_KEYS[name] for name in StoredKey._fields[2:]),
).join(OrganizationRow, OrganizationRow.id == _KEYS.organization_id)
