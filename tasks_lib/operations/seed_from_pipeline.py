"""Seed a pipeline from another one: each of its finished tasks makes one task, once."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.conversions import Column
from tasks_lib.domain.json_rows import parse_task_row
from tasks_lib.domain.mapping import Plan, columns_of
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import UsageError
from tasks_lib.intake.mapped_rows import Parse, SourceRow
from tasks_lib.intake.progress import OnProgress
from tasks_lib.operations.loading import Seeded
from tasks_lib.operations.mapped_seeding import MappedRequest, plan_seeding, seed_mapped
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.task_rows import count_rows, task_rows


@dataclass(frozen=True)
class PipelineSource:
    """The finished tasks of a pipeline, as a source of tasks."""

    pipeline: Pipeline
    kind: ClassVar[str] = "pipeline"
    warnings: ClassVar[tuple[str, ...]] = ()

    @property
    def key(self) -> str:
        """The pipeline, whatever it is called."""
        return f"pipeline:{self.pipeline.id}"

    @property
    def name(self) -> str:
        """The pipeline's path, however it was asked for."""
        return self.pipeline.path

    @property
    def columns(self) -> tuple[Column, ...]:
        """All fields, and ``id``, ``status`` and ``created``."""
        return columns_of(self.pipeline.fields)

    @property
    def parse(self) -> Parse:
        """The function that reads a task's text."""
        names = [field.name for field in self.pipeline.fields]
        return lambda text: parse_task_row(text, names)

    def count(self, session: Session) -> int:
        """Return how many tasks are finished."""
        return count_rows(session, self.pipeline.id, TaskStatus.FINISHED)

    def rows(
        self, session: Session, *, unless_in_stream: int | None = None, limit: int = -1
    ) -> Generator[list[SourceRow]]:
        """Yield the finished tasks in order, in batches, without those that the stream let in."""
        return task_rows(
            session,
            self.pipeline.id,
            status=TaskStatus.FINISHED,
            unless_in_stream=unless_in_stream,
            limit=limit,
        )


def find_source(workspace: Workspace, pipeline: Pipeline, reference: str) -> PipelineSource:
    """Return the source pipeline, of any project of the same organization.

    Raises NotFoundError, and UsageError for a pipeline of another organization or the same one.
    """
    with workspace.store.read() as session:
        source = catalogue.find_pipeline(session, reference)
    if source.organization_id != pipeline.organization_id:
        raise UsageError(
            f"pipeline {source.path} is of another organization than {pipeline.path}, "
            "and nothing crosses an organization"
        )
    if source.id == pipeline.id:
        raise UsageError(f"pipeline {source.path} cannot be seeded from itself")
    return PipelineSource(source)


def seed_from_pipeline(
    workspace: Workspace,
    request: MappedRequest,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Plan, and make the tasks; see ``seed_mapped`` for what it raises."""
    with workspace.store.read() as session:
        pipeline = catalogue.find_pipeline(session, request.pipeline)
    source = find_source(workspace, pipeline, request.source)
    plan = plan_seeding(workspace, pipeline, source, request)
    return seed_mapped(
        workspace, pipeline, source, request, plan, run_id=run_id, on_progress=on_progress
    )


def plan_only(workspace: Workspace, pipeline: Pipeline, request: MappedRequest) -> Plan:
    """Return the plan alone."""
    source = find_source(workspace, pipeline, request.source)
    return plan_seeding(workspace, pipeline, source, request)
