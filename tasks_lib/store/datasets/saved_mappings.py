"""Saved mappings of a pipeline: each change of a mapping is a new, immutable version."""

from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from tasks_lib.domain.mapping.conversions import columns_from_json
from tasks_lib.domain.mapping.saved import MappingContent, SavedMapping
from tasks_lib.domain.names import did_you_mean
from tasks_lib.errors import NotFoundError
from tasks_lib.store.dialect import upsert
from tasks_lib.store.tables.mappings import SavedMappingRow


def find_mapping(
    session: Session, pipeline_id: int, name: str, version: int | None
) -> SavedMapping:
    """Return the version, or the latest one; raise NotFoundError with the nearest name."""
    latest = find_latest_mapping(session, pipeline_id, name)
    if latest is None:
        hint = did_you_mean(name, {mapping.name for mapping in list_mappings(session, pipeline_id)})
        raise NotFoundError(f"the pipeline has no saved mapping {name!r}{hint}")
    if version is None or version == latest.version:
        return latest
    row = session.scalars(
        _versions(pipeline_id).where(
            SavedMappingRow.name == name, SavedMappingRow.version == version
        )
    ).first()
    if row is None:
        raise NotFoundError(
            f"mapping {name!r} has no version {version}; its latest one is {latest.version}"
        )
    return _saved(row)


def find_latest_mapping(session: Session, pipeline_id: int, name: str) -> SavedMapping | None:
    """Return the latest version, or None."""
    row = session.scalars(
        _versions(pipeline_id)
        .where(SavedMappingRow.name == name)
        .order_by(SavedMappingRow.version.desc())
        .limit(1)
    ).first()
    return _saved(row) if row is not None else None


def list_mappings(session: Session, pipeline_id: int) -> list[SavedMapping]:
    """Return all versions of the pipeline's mappings, by name, oldest first."""
    rows = session.scalars(
        _versions(pipeline_id).order_by(SavedMappingRow.name, SavedMappingRow.version)
    )
    return [_saved(row) for row in rows]


def list_names(session: Session) -> list[str]:
    """Return the names of the mappings of all pipelines, in order."""
    names = select(SavedMappingRow.name).distinct().order_by(SavedMappingRow.name)
    return list(session.scalars(names))


def save_mapping(
    session: Session, pipeline_id: int, name: str, content: MappingContent, *, at: datetime
) -> SavedMapping:
    """Return the latest version if it has the same content, else a new version.

    If two transactions save at once, the unique constraint lets one win and the other try again.
    """
    while True:
        latest = find_latest_mapping(session, pipeline_id, name)
        if latest is not None and latest.content == content:
            return latest
        next_version = select(func.coalesce(func.max(SavedMappingRow.version), 0) + 1).where(
            SavedMappingRow.pipeline_id == pipeline_id, SavedMappingRow.name == name
        )
        number = session.scalar(
            upsert(session, SavedMappingRow, ["pipeline_id", "name", "version"])
            .values(
                pipeline_id=pipeline_id,
                name=name,
                version=next_version.scalar_subquery(),
                created_at=at,
                **content.document,
            )
            .returning(SavedMappingRow.version)
        )
        if number is not None:
            return SavedMapping(name, number, at, content)


def _versions(pipeline_id: int) -> Select[SavedMappingRow]:
    return select(SavedMappingRow).where(SavedMappingRow.pipeline_id == pipeline_id)


def _saved(row: SavedMappingRow) -> SavedMapping:
    columns = columns_from_json(row.columns)
    content = MappingContent(row.source, columns, row.mapping, tuple(row.skip))
    return SavedMapping(row.name, row.version, row.created_at, content)
