"""Delete a pipeline that is archived or unused, with everything that belongs to it.

Its tasks are deleted some thousands at a time. After an interruption the pipeline is archived and
has fewer tasks; the next call continues.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.audit import Action
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import counted
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.errors import ConflictError
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import audit, catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.removal import deletion
from tasks_lib.store.tasks.counts import get_counts


class PipelineDeletion(NamedTuple):
    """The tasks, groups and saved mappings that go with a pipeline."""

    pipeline_id: int
    path: str
    tasks: int
    finished: int
    groups: int
    mappings: int

    @property
    def content(self) -> str:
        """The parts of the pipeline, in words."""
        tasks = counted(self.tasks, "task")
        if self.finished:
            tasks += f" ({self.finished:,} finished)"
        groups, mappings = counted(self.groups, "group"), counted(self.mappings, "saved mapping")
        return f"{tasks}, {groups} and {mappings}"


def describe_pipeline_deletion(store: Store, reference: str) -> PipelineDeletion:
    """Return what deleting the pipeline would delete.

    Raises NotFoundError, and ConflictError if the pipeline cannot be deleted.
    """
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        _check(session, pipeline)
        return _describe(session, pipeline)


def delete_pipeline(workspace: Workspace, reference: str, *, at: datetime) -> PipelineDeletion:
    """Delete a pipeline with its tasks, groups, mappings and uploads; return what was deleted.

    Raises NotFoundError, and ConflictError if the pipeline has tasks and is not archived, if a
    chain leads from or to it, or if an upload is being processed.
    """
    store = workspace.store
    with store.write() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        pipeline = _lock(session, pipeline.id)
        _check(session, pipeline)
        deletion.close_pipeline(session, pipeline.id)
        deleted = _describe(session, pipeline)
    while True:
        with store.write() as session:
            _lock(session, pipeline.id)
            if not deletion.remove_first_tasks(session, pipeline.id):
                break
    with store.write() as session:
        _check(session, _lock(session, pipeline.id))
        stored = deletion.list_stored_objects(session, pipeline.id)
        deletion.delete_pipeline(session, pipeline.id)
        audit.record(
            session,
            pipeline.organization_id,
            Action.PIPELINE_DELETED,
            pipeline.path,
            by=store.actor,
            at=at,
            details={"tasks": deleted.tasks, "finished": deleted.finished},
        )
    workspace.storage.remove(stored)
    return deleted


def _lock(session: Session, pipeline_id: int) -> Pipeline:
    pipeline = catalogue.get_pipeline(session, pipeline_id)
    catalogue.lock_against_changes(session, pipeline_id)
    return catalogue.get_pipeline(session, pipeline.id)


def _check(session: Session, pipeline: Pipeline) -> None:
    """Raise ConflictError unless the pipeline can be deleted."""
    if pipeline.status is not PipelineStatus.ARCHIVED and catalogue.has_tasks(session, pipeline.id):
        raise ConflictError(
            f"pipeline {pipeline.path} is {pipeline.status.value} and has tasks; "
            "archive it in the catalogue before you delete it",
            code="pipeline_in_use",
        )
    chain_ids = deletion.list_chains_of(session, pipeline.id)
    if chain_ids:
        numbers = ", ".join(map(str, chain_ids))
        raise ConflictError(
            f"chains lead from or to pipeline {pipeline.path} ({numbers}); delete them first",
            code="pipeline_in_use",
        )
    if deletion.is_uploading(session, pipeline.id):
        raise ConflictError(
            f"an upload into pipeline {pipeline.path} is being processed; try again later",
            code="pipeline_in_use",
        )


def _describe(session: Session, pipeline: Pipeline) -> PipelineDeletion:
    counts = get_counts(session, pipeline.id)
    groups, mappings = deletion.count_content(session, pipeline.id)
    finished = counts.by_status[TaskStatus.FINISHED]
    return PipelineDeletion(pipeline.id, pipeline.path, counts.total, finished, groups, mappings)
