"""Erase a contributor's name, wherever it is stored, and the values of a task."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CursorResult,
    Result,
    bindparam,
    delete,
    exists,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import SeedKind
from tasks_lib.store.keys import retired as retired_keys
from tasks_lib.store.keys.existing_tasks import lock_keys
from tasks_lib.store.tables.audit import AuditEntryRow
from tasks_lib.store.tables.base import UtcDateTime
from tasks_lib.store.tables.catalogue import OrganizationRow, PipelineRow, ProjectRow
from tasks_lib.store.tables.chains import ChainInboxRow
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.streams import StreamRow
from tasks_lib.store.tables.tasks import TaskMoveRow, TaskRow
from tasks_lib.store.tables.updates import TaskUpdateRow
from tasks_lib.store.tasks.queries import StoredTask


class Replaced(NamedTuple):
    """How many tasks and moves named the contributor."""

    tasks: int
    moves: int


def ensure_salt(session: Session, organization_id: int, new_salt: str) -> str:
    """Return the organization's salt for pseudonyms; ``new_salt``, if it has none yet."""
    organization = OrganizationRow.id == organization_id
    session.execute(
        update(OrganizationRow)
        .where(organization, OrganizationRow.pseudonym_salt.is_(None))
        .values(pseudonym_salt=new_salt)
    )
    salt = session.scalar(select(OrganizationRow.pseudonym_salt).where(organization))
    assert salt is not None, "the statement before has set it"  # noqa: S101
    return salt


def names_contributor(session: Session, organization_id: int, contributor: str) -> bool:
    """Return True if a task, move, group or audit entry of the organization has the name."""
    pipeline_ids = list_pipelines_of(session, organization_id)
    places = (
        exists().where(TaskRow.pipeline_id.in_(pipeline_ids), TaskRow.claimed_by == contributor),
        exists().where(
            TaskMoveRow.by == contributor,
            TaskMoveRow.task_id == TaskRow.id,
            TaskRow.pipeline_id.in_(pipeline_ids),
        ),
        exists().where(
            TaskGroupRow.pipeline_id.in_(pipeline_ids), TaskGroupRow.undone_by == contributor
        ),
        exists().where(
            AuditEntryRow.organization_id == organization_id, AuditEntryRow.by == contributor
        ),
    )
    return any(session.scalar(select(place)) for place in places)


def list_pipelines_of(session: Session, organization_id: int) -> list[int]:
    """Return the ids of the organization's pipelines."""
    statement = (
        select(PipelineRow.id)
        .join(ProjectRow, ProjectRow.id == PipelineRow.project_id)
        .where(ProjectRow.organization_id == organization_id)
    )
    return list(session.scalars(statement.order_by(PipelineRow.id)))


def replace_in_pipeline(
    session: Session, pipeline_id: int, contributor: str, pseudonym: str
) -> Replaced:
    """Replace the name in the pipeline's tasks, their moves, and its groups."""
    tasks = session.execute(
        update(TaskRow)
        .where(TaskRow.pipeline_id == pipeline_id, TaskRow.claimed_by == contributor)
        .values(claimed_by=pseudonym)
    )
    is_of_pipeline = exists().where(
        TaskRow.id == TaskMoveRow.task_id, TaskRow.pipeline_id == pipeline_id
    )
    moves = session.execute(
        update(TaskMoveRow)
        .where(TaskMoveRow.by == contributor, is_of_pipeline)
        .values(by=pseudonym)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(TaskGroupRow)
        .where(TaskGroupRow.pipeline_id == pipeline_id, TaskGroupRow.undone_by == contributor)
        .values(undone_by=pseudonym)
    )
    return Replaced(_count(tasks), _count(moves))


def replace_in_audit(
    session: Session, organization_id: int, contributor: str, pseudonym: str
) -> None:
    """Replace the name in the audit trail, as who acted."""
    session.execute(
        update(AuditEntryRow)
        .where(AuditEntryRow.organization_id == organization_id, AuditEntryRow.by == contributor)
        .values(by=pseudonym)
    )


def is_erased(session: Session, task_id: int) -> bool:
    """Return True if the task's values were removed."""
    erased = select(TaskRow.id).where(TaskRow.id == task_id, TaskRow.erased_at.is_not(None))
    return session.scalar(erased) is not None


def forget_reasons(session: Session, task_id: int) -> None:
    """Remove the reasons that people gave for the task's moves."""
    session.execute(update(TaskMoveRow).where(TaskMoveRow.task_id == task_id).values(reason=None))


def empty_task(session: Session, pipeline_id: int, task_id: int, *, at: datetime) -> None:
    """Remove the task's values, also earlier ones, and take it out of the inboxes of chains.

    Of its key a digest stays, so that its row creates no other task. No load inserts keys
    meanwhile.
    """
    lock_keys(session, pipeline_id)
    retired_keys.retire_erased(session, pipeline_id, task_id)
    session.execute(delete(TaskUpdateRow).where(TaskUpdateRow.task_id == task_id))
    session.execute(delete(ChainInboxRow).where(ChainInboxRow.task_id == task_id))
    for statement in (_EMPTY_PREDEFINED, _EMPTY_FILLED_IN):
        session.execute(statement, {"id": task_id, "at": at})


_EMPTY_PREDEFINED: Final = text(
    "UPDATE tasks SET predefined = '{}', erased_at = coalesce(erased_at, :at) WHERE id = :id"
).bindparams(bindparam("at", type_=UtcDateTime))
_EMPTY_FILLED_IN: Final = text(
    "UPDATE tasks SET filled_in = '{}' WHERE id = :id AND filled_in IS NOT NULL"
)
"""Texts: as values of the models, JSON would be encoded a second time on PostgreSQL."""


def count_made_from(session: Session, task: StoredTask) -> int:
    """Return how many tasks were made from the task, by chains, seedings or infinite seeding."""
    by_streams = (
        select(func.count())
        .select_from(TaskRow)
        .join(StreamRow, StreamRow.id == TaskRow.stream_id)
        .where(StreamRow.source == f"pipeline:{task.pipeline_id}", TaskRow.origin_id == task.id)
    )
    copies = (
        select(func.count())
        .select_from(TaskRow)
        .join(TaskGroupRow, TaskGroupRow.id == TaskRow.group_id)
        .where(
            TaskGroupRow.pipeline_id == task.pipeline_id,
            TaskGroupRow.kind == SeedKind.INFINITE.value,
            TaskRow.origin_id == task.id,
        )
    )
    return (session.scalar(by_streams) or 0) + (session.scalar(copies) or 0)


def _count(result: Result[Any]) -> int:
    """Return how many rows an update has changed."""
    return result.rowcount if isinstance(result, CursorResult) else 0
