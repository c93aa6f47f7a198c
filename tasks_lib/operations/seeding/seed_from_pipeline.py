"""Seed a pipeline from another one: each of its finished tasks becomes one task, once."""

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.intake_rules import check_same_organization
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.plans import Plan, columns_of
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.rows.json_rows import task_row_parser
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.errors import UsageError
from tasks_lib.intake.rows.mapped_rows import Parse, StoredRow
from tasks_lib.operations.seeding.mapped_seeding import (
    MappedRequest,
    plan_seeding,
    seed_from_source,
)
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.removal.retention import keep_while_reading
from tasks_lib.store.tasks.rows import count_rows, stream_task_rows


@dataclass(frozen=True)
class PipelineSource:
    """The finished tasks of a pipeline as a source of tasks."""

    pipeline: Pipeline
    kind: ClassVar[SeedKind] = SeedKind.PIPELINE
    warnings: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int | None] = None
    may_change: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """The pipeline's id, which a new name does not change."""
        return f"pipeline:{self.pipeline.id}"

    @property
    def name(self) -> str:
        """The pipeline's path, even if the request has its id."""
        return self.pipeline.path

    @property
    def columns(self) -> tuple[Column, ...]:
        """All fields, and the columns of the tasks themselves."""
        return columns_of(self.pipeline.fields)

    @property
    def parse(self) -> Parse:
        """The function that reads a task's text."""
        return task_row_parser([field.name for field in self.pipeline.fields])

    def hold(self, session: Session) -> None:
        """Keep the tasks from being deleted until the transaction ends."""
        keep_while_reading(session, self.pipeline.id)

    def count(self, session: Session) -> int:
        """Return how many tasks are finished."""
        return count_rows(session, self.pipeline.id, TaskStatus.FINISHED)

    def count_changed(self, session: Session, stream_id: int) -> int:  # noqa: ARG002
        """Return 0: what is finished stays as it is."""
        return 0

    def rows(
        self,
        session: Session,
        *,
        unless_in_stream: int | None = None,
        unless_removed_from: int | None = None,
        limit: int = -1,
    ) -> Generator[list[StoredRow]]:
        """Yield the finished tasks in order, without those that the streams leave out."""
        return stream_task_rows(
            session,
            self.pipeline.id,
            status=TaskStatus.FINISHED,
            unless_in_stream=unless_in_stream,
            unless_removed_from=unless_removed_from,
            limit=limit,
        )


def find_source(workspace: Workspace, pipeline: Pipeline, reference: str) -> PipelineSource:
    """Return the source pipeline, of any project of the same organization.

    Raises NotFoundError, and UsageError for a pipeline of another organization or the same one.
    """
    with workspace.store.read() as session:
        source = catalogue.find_pipeline(session, reference)
    check_same_organization(source, pipeline)
    if source.id == pipeline.id:
        raise UsageError(f"pipeline {source.path} cannot be seeded from itself")
    return PipelineSource(source)


def open_source(
    workspace: Workspace,
    pipeline: Pipeline,
    request: MappedRequest,
    resources: ExitStack,  # noqa: ARG001 - the tasks are in the store
) -> PipelineSource:
    """Return the source pipeline of a request; see ``find_source``."""
    return find_source(workspace, pipeline, request.source)


def seed_from_pipeline(
    workspace: Workspace,
    request: MappedRequest,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Seed from the finished tasks of another pipeline; see ``seed_from_source``."""
    return seed_from_source(workspace, request, open_source, run_id=run_id, on_progress=on_progress)


def plan_only(workspace: Workspace, pipeline: Pipeline, request: MappedRequest) -> Plan:
    """Return the plan alone."""
    source = find_source(workspace, pipeline, request.source)
    return plan_seeding(workspace, pipeline, source, request)
