"""Organizations, projects, pipelines and their fields: find them, and make them as described."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, bindparam, exists, select, update
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
    found = session.execute(statement, given).one_or_none() if may_exist else None
    if found is None:
        paths = pipeline_paths(session)
        hint = did_you_mean(reference, paths) or (
            "; name one by its number or as organization/project/pipeline"
            if paths
            else "; there is none yet: run seeding apply FILE"
        )
        raise NotFoundError(f"there is no pipeline {reference!r}{hint}")
    return _pipeline(session, found)


def lock_pipeline(session: Session, pipeline_id: int) -> Pipeline:
    """Return the pipeline and keep it from being changed until the transaction ends.

    Several may hold this lock at once, but not on a completed pipeline: each of them may reopen it.
    """
    given = {"id": pipeline_id}
    found = session.execute(_SHARED_UNLESS_COMPLETED, given).one_or_none()
    if found is None:  # of two that held a shared lock, none would get more
        found = session.execute(_LOCKED, given).one()
    return _pipeline(session, found)


def pipeline_paths(session: Session) -> list[str]:
    """Return the path of every pipeline, in order."""
    rows = session.execute(_PIPELINES.order_by(PipelineRow.id)).all()
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
    return _pipeline(session, session.execute(_PIPELINES.where(PipelineRow.id == locked)).one())


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


def _pipeline(session: Session, row: Row[Any]) -> Pipeline:
    fields = session.execute(_FIELDS, {"pipeline_id": row.id})
    return Pipeline(
        **row._asdict(),
        fields=tuple(
            Field(
                name=field.name,
                type=field.type,
                source=field.source,
                required=field.required,
                **field.constraints,
            )
            for field in fields
        ),
    )


_PIPELINES: Final = (
    select(
        PipelineRow.id,
        PipelineRow.name,
        PipelineRow.status,
        PipelineRow.claim_timeout_seconds.label("claim_timeout"),
        ProjectRow.id.label("project_id"),
        ProjectRow.name.label("project"),
        OrganizationRow.id.label("organization_id"),
        OrganizationRow.name.label("organization"),
    )
    .join(ProjectRow, ProjectRow.id == PipelineRow.project_id)
    .join(OrganizationRow, OrganizationRow.id == ProjectRow.organization_id)
)
_BY_ID: Final = _PIPELINES.where(PipelineRow.id == bindparam("id"))
_LOCKED: Final = _BY_ID.with_for_update(of=PipelineRow)
_SHARED_UNLESS_COMPLETED: Final = _BY_ID.where(
    PipelineRow.status != PipelineStatus.COMPLETED.value
).with_for_update(read=True, of=PipelineRow)
_BY_PATH: Final = _PIPELINES.where(
    OrganizationRow.name == bindparam("organization"),
    ProjectRow.name == bindparam("project"),
    PipelineRow.name == bindparam("pipeline"),
)
_FIELDS: Final = (
    select(FieldRow.name, FieldRow.type, FieldRow.source, FieldRow.required, FieldRow.constraints)
    .where(FieldRow.pipeline_id == bindparam("pipeline_id"))
    .order_by(FieldRow.position)
)
