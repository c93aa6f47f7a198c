"""Organizations, projects, pipelines and their fields: find, create and update them."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, Text, bindparam, cast, exists, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline, PipelineEntry
from tasks_lib.domain.fields import Field
from tasks_lib.domain.names import did_you_mean, is_storable
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.errors import NoPipelinesError, NotFoundError
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tables.base import MAX_ID
from tasks_lib.store.tables.catalogue import FieldRow, OrganizationRow, PipelineRow, ProjectRow
from tasks_lib.store.tables.tasks import TaskRow

_KEPT_FIELDS: Final = 4_096
_CATALOGUE_LOCK: Final = 5_104_219_834


def find_organization(session: Session, name: str) -> int:
    """Return the organization's id; raise NotFoundError with the nearest name."""
    rows = session.execute(select(OrganizationRow.name, OrganizationRow.id))
    ids = {known: organization_id for known, organization_id in rows}  # noqa: C416
    if name not in ids:
        raise NotFoundError(f"there is no organization {name!r}{did_you_mean(name, ids)}")
    return ids[name]


def list_organizations(session: Session) -> list[str]:
    """Return the names of all organizations, in order."""
    return list(session.scalars(select(OrganizationRow.name).order_by(OrganizationRow.name)))


def find_pipeline(session: Session, reference: str) -> Pipeline:
    """Return the pipeline that a person names by id (``7``) or path (``org/project/pipeline``).

    Raises NotFoundError with the nearest path.
    """
    if reference.isdecimal():
        pipeline = _by_id(session, int(reference[:20]))
    else:
        pipeline = _by_path(session, reference)
    if pipeline is None:
        raise _not_found(session, reference)
    return pipeline


def get_pipeline(session: Session, pipeline_id: int) -> Pipeline:
    """Return the pipeline with this id; raise NotFoundError."""
    pipeline = _by_id(session, pipeline_id)
    if pipeline is None:
        raise _not_found(session, str(pipeline_id))
    return pipeline


def get_status(session: Session, pipeline_id: int) -> PipelineStatus:
    """Return the status of the pipeline, which must exist."""
    return PipelineStatus(session.execute(_STATUS, {"id": pipeline_id}).scalar_one())


def lock_pipeline(session: Session, pipeline_id: int) -> Pipeline:
    """Return the pipeline and keep it from being changed until the transaction ends.

    Several transactions can hold this lock at once, except on a completed pipeline, which each of
    them may reopen: two that share a lock could not both upgrade it.
    """
    parameters = {"id": pipeline_id}
    if session.scalar(_SHARED_LOCK, parameters) is None:
        session.execute(_LOCK, parameters)
    return _read(session, pipeline_id)


def wait_for_claims(session: Session, pipeline_id: int) -> None:
    """Wait for the claims that had begun before the pipeline's status was committed.

    Afterwards a pipeline that is not active has no claims that others do not see. On SQLite the
    write lock does that.
    """
    if is_postgresql(session):
        session.execute(_WAIT_FOR_CLAIMS, {"id": pipeline_id})


def list_paths(session: Session) -> list[str]:
    """Return the path of every pipeline, in order."""
    rows = session.execute(_PIPELINES).all()
    return [f"{row.organization}/{row.project}/{row.name}" for row in rows]


def list_pipelines(session: Session, organization_id: int | None = None) -> list[Pipeline]:
    """Return the organization's pipelines, or all, oldest first and without their fields."""
    statement = _PIPELINES
    if organization_id is not None:
        statement = statement.where(_ORGANIZATION.c.id == organization_id)
    return [Pipeline(**row) for row in session.execute(statement).mappings()]


def ensure_organization(session: Session, name: str) -> int:
    """Return the organization's id; create it if it does not exist."""
    organization_id = session.scalar(select(OrganizationRow.id).where(OrganizationRow.name == name))
    if organization_id is not None:
        return organization_id
    row = OrganizationRow(name=name)
    session.add(row)
    session.flush()
    return row.id


def ensure_project(session: Session, organization_id: int, name: str) -> int:
    """Return the project's id; create it if it does not exist."""
    project_id = session.scalar(
        select(ProjectRow.id).where(
            ProjectRow.organization_id == organization_id, ProjectRow.name == name
        )
    )
    if project_id is not None:
        return project_id
    row = ProjectRow(organization_id=organization_id, name=name)
    session.add(row)
    session.flush()
    return row.id


def lock_catalogue(session: Session) -> None:
    """Let one transaction at a time apply a catalogue, with its pipelines in any order.

    On SQLite the write lock does that.
    """
    if is_postgresql(session):
        session.execute(text(f"SELECT pg_advisory_xact_lock({_CATALOGUE_LOCK})"))


def lock_pipeline_for_update(session: Session, project_id: int, name: str) -> Pipeline | None:
    """Return the pipeline, locked against changes by others, or None.

    Rows that refer to the pipeline can still be inserted: a claim that counts itself must not wait
    for a transaction that waits for its task.
    """
    pipeline_id = session.scalar(
        select(PipelineRow.id)
        .where(PipelineRow.project_id == project_id, PipelineRow.name == name)
        .with_for_update(key_share=True)
    )
    if pipeline_id is None:
        return None
    return _read(session, pipeline_id)


def lock_against_changes(session: Session, pipeline_id: int) -> None:
    """Wait for transactions that create tasks in the pipeline, and let none begin."""
    session.execute(
        select(PipelineRow.id).where(PipelineRow.id == pipeline_id).with_for_update(key_share=True)
    )


def has_tasks(session: Session, pipeline_id: int) -> bool:
    """Return True if the pipeline has any task."""
    return bool(session.scalar(select(exists().where(TaskRow.pipeline_id == pipeline_id))))


def create_pipeline(session: Session, project_id: int, entry: PipelineEntry) -> int:
    """Insert a pipeline with its fields and return its id."""
    row = PipelineRow(
        project_id=project_id,
        name=entry.name,
        status=entry.status.value,
        claim_timeout_seconds=entry.claim_timeout,
        key=list(entry.key),
        on_change=entry.on_change.value,
        on_missing=entry.on_missing.value,
        retention=entry.retention.model_dump(exclude_none=True),
    )
    session.add(row)
    session.flush()
    _replace_fields(session, row.id, entry.fields)
    return row.id


def update_pipeline(session: Session, pipeline_id: int, entry: PipelineEntry) -> None:
    """Update a pipeline to its entry; the caller has locked it for update."""
    row = session.get_one(PipelineRow, pipeline_id)
    row.status = entry.status.value
    row.claim_timeout_seconds = entry.claim_timeout
    row.key = list(entry.key)
    row.on_change = entry.on_change.value
    row.on_missing = entry.on_missing.value
    row.retention = entry.retention.model_dump(exclude_none=True)
    _replace_fields(session, pipeline_id, entry.fields)


def reopen(session: Session, pipeline_id: int) -> None:
    """Make a completed pipeline active again for its new tasks; the caller has locked it."""
    session.execute(
        update(PipelineRow)
        .where(PipelineRow.id == pipeline_id)
        .values(status=PipelineStatus.ACTIVE.value)
    )


def _replace_fields(session: Session, pipeline_id: int, fields: Sequence[Field]) -> None:
    for row in session.scalars(select(FieldRow).where(FieldRow.pipeline_id == pipeline_id)):
        session.delete(row)
    session.flush()
    session.add_all(
        FieldRow(
            pipeline_id=pipeline_id,
            position=position,
            name=field.name,
            type=field.type.value,
            source=field.source.value,
            required=field.required,
            constraints=field.constraints,
        )
        for position, field in enumerate(fields)
    )
    session.flush()


def _by_id(session: Session, pipeline_id: int) -> Pipeline | None:
    return _fetch(session, _BY_ID, {"id": min(pipeline_id, MAX_ID)})


def _by_path(session: Session, path: str) -> Pipeline | None:
    if path.count("/") != 2 or not is_storable(path):
        return None
    organization, project, name = path.split("/")
    parameters = {"organization": organization, "project": project, "pipeline": name}
    return _fetch(session, _BY_PATH, parameters)


def _not_found(session: Session, reference: str) -> NotFoundError:
    paths = list_paths(session)
    if not paths:
        return NoPipelinesError(f"there is no pipeline {reference!r}; the store has none yet")
    hint = did_you_mean(reference, paths) or (
        "; name one by its number or as organization/project/pipeline"
    )
    return NotFoundError(f"there is no pipeline {reference!r}{hint}")


def _read(session: Session, pipeline_id: int) -> Pipeline:
    """Return a locked pipeline, by a second statement, which sees the state after the lock."""
    pipeline = _by_id(session, pipeline_id)
    assert pipeline is not None  # noqa: S101
    return pipeline


def _fetch(
    session: Session, statement: Select[Any], parameters: Mapping[str, Any]
) -> Pipeline | None:
    """Return the pipeline for which the statement returns a row per field, or one without."""
    rows = session.execute(statement, parameters).mappings().all()
    if not rows:
        return None
    return Pipeline(
        **{name: rows[0][name] for name in _OF_PIPELINE},
        fields=tuple(
            _field(*(row[name] for name in _OF_FIELD)) for row in rows if row["field"] is not None
        ),
    )


@lru_cache(_KEPT_FIELDS)
def _field(name: str, kind: str, source: str, required: bool, constraints: str) -> Field:  # noqa: FBT001 - a row
    """Return a field; the cache saves checking it each time that it is read."""
    return Field(name=name, type=kind, source=source, required=required, **json.loads(constraints))


_ORGANIZATION: Final = OrganizationRow.metadata.tables[OrganizationRow.__tablename__]
_PROJECT: Final = ProjectRow.metadata.tables[ProjectRow.__tablename__]
_PIPELINE: Final = PipelineRow.metadata.tables[PipelineRow.__tablename__]
_FIELD: Final = FieldRow.metadata.tables[FieldRow.__tablename__]
_OF_PIPELINE: Final = {
    "id": _PIPELINE.c.id,
    "name": _PIPELINE.c.name,
    "status": _PIPELINE.c.status,
    "claim_timeout": _PIPELINE.c.claim_timeout_seconds,
    "key": _PIPELINE.c.key,
    "on_change": _PIPELINE.c.on_change,
    "on_missing": _PIPELINE.c.on_missing,
    "retention": _PIPELINE.c.retention,
    "project_id": _PROJECT.c.id,
    "project": _PROJECT.c.name,
    "organization_id": _ORGANIZATION.c.id,
    "organization": _ORGANIZATION.c.name,
}
_OF_FIELD: Final = {
    "field": _FIELD.c.name,
    "type": _FIELD.c.type,
    "source": _FIELD.c.source,
    "required": _FIELD.c.required,
    "constraints": cast(_FIELD.c.constraints, Text),
}
_PIPELINES: Final = (
    select(*(column.label(name) for name, column in _OF_PIPELINE.items()))
    .join_from(_PIPELINE, _PROJECT, _PROJECT.c.id == _PIPELINE.c.project_id)
    .join(_ORGANIZATION, _ORGANIZATION.c.id == _PROJECT.c.organization_id)
    .order_by(_PIPELINE.c.id)
)
_DESCRIBED: Final = (
    _PIPELINES.add_columns(*(column.label(name) for name, column in _OF_FIELD.items()))
    .outerjoin(_FIELD, _FIELD.c.pipeline_id == _PIPELINE.c.id)
    .order_by(_FIELD.c.position)
)
_BY_ID: Final = _DESCRIBED.where(_PIPELINE.c.id == bindparam("id"))
_BY_PATH: Final = _DESCRIBED.where(
    _ORGANIZATION.c.name == bindparam("organization"),
    _PROJECT.c.name == bindparam("project"),
    _PIPELINE.c.name == bindparam("pipeline"),
)
_STATUS: Final = select(_PIPELINE.c.status).where(_PIPELINE.c.id == bindparam("id"))
_LOCK: Final = (
    select(_PIPELINE.c.id).where(_PIPELINE.c.id == bindparam("id")).with_for_update(key_share=True)
)
_SHARED_LOCK: Final = (
    select(_PIPELINE.c.id)
    .where(_PIPELINE.c.id == bindparam("id"))
    .where(_PIPELINE.c.status != PipelineStatus.COMPLETED.value)
    .with_for_update(read=True)
)
_WAIT_FOR_CLAIMS: Final = text(
    "SELECT pg_advisory_xact_lock(1936024420, CAST(:id % 2147483647 AS integer))"
)
"""The lock that ``seeding_begin_claim`` holds, see migration 0015."""
