"""Saved mappings of a pipeline: each change of one is a version, which stays as it is."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tasks_lib.domain.conversions import Column
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.names import did_you_mean
from tasks_lib.domain.saved_mapping import MappingContent
from tasks_lib.errors import NotFoundError
from tasks_lib.store.tables import SavedMappingRow


class SavedMapping(NamedTuple):
    """A version of a mapping."""

    name: str
    version: int
    created_at: datetime
    content: MappingContent

    @property
    def title(self) -> str:
        """What a sentence calls it."""
        return f"version {self.version} of mapping {self.name!r}"


def find_mapping(
    session: Session, pipeline_id: int, name: str, version: int | None
) -> SavedMapping:
    """Return the version, or the latest one; raise NotFoundError with the nearest name."""
    found = latest_mapping(session, pipeline_id, name)
    if found is None:
        hint = did_you_mean(name, {mapping.name for mapping in list_mappings(session, pipeline_id)})
        raise NotFoundError(f"the pipeline has no saved mapping {name!r}{hint}")
    if version is None or version == found.version:
        return found
    row = session.scalars(
        _versions(pipeline_id).where(
            SavedMappingRow.name == name, SavedMappingRow.version == version
        )
    ).first()
    if row is None:
        raise NotFoundError(
            f"mapping {name!r} has no version {version}; its latest one is {found.version}"
        )
    return _saved(row)


def latest_mapping(session: Session, pipeline_id: int, name: str) -> SavedMapping | None:
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


def save_mapping(
    session: Session, pipeline_id: int, name: str, content: MappingContent, *, at: datetime
) -> SavedMapping:
    """Return the latest version if it says the same, else a new one.

    The database's constraint decides between two who save at once: the second one looks again.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    while True:
        latest = latest_mapping(session, pipeline_id, name)
        if latest is not None and latest.content == content:
            return latest
        next_version = select(func.coalesce(func.max(SavedMappingRow.version), 0) + 1).where(
            SavedMappingRow.pipeline_id == pipeline_id, SavedMappingRow.name == name
        )
        made = session.scalar(
            insert(SavedMappingRow)
            .values(
                pipeline_id=pipeline_id,
                name=name,
                version=next_version.scalar_subquery(),
                created_at=at,
                **content.document,
            )
            .on_conflict_do_nothing(index_elements=["pipeline_id", "name", "version"])
            .returning(SavedMappingRow.version)
        )
        if made is not None:
            return SavedMapping(name, made, at, content)


def _versions(pipeline_id: int) -> Select[tuple[SavedMappingRow]]:
    return select(SavedMappingRow).where(SavedMappingRow.pipeline_id == pipeline_id)


def _saved(row: SavedMappingRow) -> SavedMapping:
    columns = tuple(Column(entry["name"], FieldType(entry["type"])) for entry in row.columns)
    content = MappingContent(row.source, columns, row.mapping, tuple(row.skip))
    return SavedMapping(row.name, row.version, row.created_at, content)
