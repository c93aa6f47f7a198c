"""Organizations, projects, pipelines and their fields: find them, and make them as described."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, Text, bindparam, cast, exists, select, update
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline, PipelineEntry
from tasks_lib.domain.fields import Field
from tasks_lib.domain.names import did_you_mean, is_storable
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.errors import NotFoundError
from tasks_lib.store.tables import (
    MAX_ID,
    FieldRow,
    OrganizationRow,
    PipelineRow,
    ProjectRow,
    TaskRow,
)

_KEPT_FIELDS: Final = 4_096


def find_pipeline(session: Session, reference: str) -> Pipeline:
    """Return the pipeline that a number (``7``) or path (``org/project/pipeline``) names.

    Raises NotFoundError with the nearest path when there is none.
    """
    given: dict[str, Any]
    if reference.isdecimal():
        statement, given = _BY_ID, {"id": min(int(reference[:20]), MAX_ID)}
    else:
        organization, project, name = [*reference.split("/"), "", ""][:3]
        statement = _BY_PATH
        given = {"organization": organization, "project": project, "pipeline": name}
    may_exist = reference.count("/") in {0, 2} and is_storable(reference)
    found = _described(session, statement, given) if may_exist else None
    if found is None:
        paths = pipeline_paths(session)
        hint = did_you_mean(reference, paths) or (
            "; name one by its number or as organization/project/pipeline"
            if paths
            else "; there is none yet: run seeding apply FILE"
        )
        raise NotFoundError(f"there is no pipeline {reference!r}{hint}")
    return found


def lock_pipeline(session: Session, pipeline_id: int) -> Pipeline:
    """Return the pipeline and keep it from being changed until the transaction ends.

    Several may hold this lock at once, but not on a completed pipeline: each of them may reopen it.
    """
    given = {"id": pipeline_id}
    if session.scalar(_SHARED_LOCK, given) is None:  # of two that held one, none would get more
        session.execute(_LOCK, given)
    return _known(session, pipeline_id)


def pipeline_paths(session: Session) -> list[str]:
    """Return the path of every pipeline, in order."""
    rows = session.execute(_PIPELINES).all()
    return [f"{row.organization}/{row.project}/{row.name}" for row in rows]


def ensure_organization(session: Session, name: str) -> int:
    """Return the organization's id; make it if it is not there."""
    found = session.scalar(select(OrganizationRow.id).where(OrganizationRow.name == name))
    if found is not None:
        return found
    row = OrganizationRow(name=name)
    session.add(row)
    session.flush()
    return row.id


def ensure_project(session: Session, organization_id: int, name: str) -> int:
    """Return the project's id; make it if it is not there."""
    found = session.scalar(
        select(ProjectRow.id).where(
            ProjectRow.organization_id == organization_id, ProjectRow.name == name
        )
    )
    if found is not None:
        return found
    row = ProjectRow(organization_id=organization_id, name=name)
    session.add(row)
    session.flush()
    return row.id


def pipeline_for_update(session: Session, project_id: int, name: str) -> Pipeline | None:
    """Return the pipeline, locked against everyone else, or None when there is none."""
    locked = session.scalar(
        select(PipelineRow.id)
        .where(PipelineRow.project_id == project_id, PipelineRow.name == name)
        .with_for_update()
    )
    if locked is None:
        return None
    return _known(session, locked)


def has_tasks(session: Session, pipeline_id: int) -> bool:
    """Tell whether the pipeline holds any task."""
    return bool(session.scalar(select(exists().where(TaskRow.pipeline_id == pipeline_id))))


def create_pipeline(session: Session, project_id: int, entry: PipelineEntry) -> int:
    """Make a pipeline with its fields and return its id."""
    row = PipelineRow(
        project_id=project_id,
        name=entry.name,
        status=entry.status.value,
        claim_timeout_seconds=entry.claim_timeout,
    )
    session.add(row)
    session.flush()
    _replace_fields(session, row.id, entry.fields)
    return row.id


def update_pipeline(session: Session, pipeline_id: int, entry: PipelineEntry) -> None:
    """Make a pipeline as its entry says; the caller holds it with ``pipeline_for_update``."""
    row = session.get_one(PipelineRow, pipeline_id)
    row.status = entry.status.value
    row.claim_timeout_seconds = entry.claim_timeout
    _replace_fields(session, pipeline_id, entry.fields)


def reopen(session: Session, pipeline_id: int) -> None:
    """Make a completed pipeline active again, because new tasks have come; the caller locked it."""
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


def _known(session: Session, pipeline_id: int) -> Pipeline:
    """Return a pipeline that is there, by a statement of its own, so as it is once it is locked."""
    found = _described(session, _BY_ID, {"id": pipeline_id})
    assert found is not None  # noqa: S101
    return found


def _described(
    session: Session, statement: Select[Any], given: Mapping[str, Any]
) -> Pipeline | None:
    """Return the pipeline of which the statement yields a row for each field, or one without."""
    rows = session.execute(statement, given).mappings().all()
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
    """Return a field, which is checked once, not each time that it is read."""
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
_LOCK: Final = select(_PIPELINE.c.id).where(_PIPELINE.c.id == bindparam("id")).with_for_update()
_SHARED_LOCK: Final = (
    select(_PIPELINE.c.id)
    .where(_PIPELINE.c.id == bindparam("id"))
    .where(_PIPELINE.c.status != PipelineStatus.COMPLETED.value)
    .with_for_update(read=True)
)
