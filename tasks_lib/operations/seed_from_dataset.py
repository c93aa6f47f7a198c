"""Seed a pipeline from a dataset of its organization: each row makes one task, once."""

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import ClassVar, Final

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.conversions import Column
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.json_rows import parse_row
from tasks_lib.domain.mapping import Plan
from tasks_lib.domain.problems import SourceProblemError
from tasks_lib.intake.mapped_rows import Parse, SourceRow
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.row_spool import RowSpool
from tasks_lib.operations.loading import Seeded, load_rows
from tasks_lib.operations.mapped_seeding import MappedRequest, plan_seeding, seed_mapped
from tasks_lib.operations.query_datasets import (
    changed_warnings,
    columns_with,
    drop_known,
    fetched,
    refresh,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.dataset_queries import find_query
from tasks_lib.store.datasets import Dataset, dataset_rows, find_dataset
from tasks_lib.store.tasks import DATASET

_WITHOUT_DIGITS: Final = frozenset({FieldType.TEXT, FieldType.BOOLEAN})


@dataclass(frozen=True)
class DatasetSource:
    """A dataset as a source of tasks."""

    dataset: Dataset
    is_query: bool = False
    warnings: tuple[str, ...] = ()
    kind: ClassVar[str] = DATASET

    @property
    def key(self) -> str:
        """The dataset, whatever it is called."""
        return f"dataset:{self.dataset.id}"

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.dataset.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, as they were found at the imports."""
        return self.dataset.columns

    @property
    def parse(self) -> Parse:
        """The function that reads a row's text; a faster one where no number's digits count."""
        has_digits = any(column.type not in _WITHOUT_DIGITS for column in self.columns)
        return parse_row if has_digits else orjson.loads

    def count(self, session: Session) -> int:  # noqa: ARG002
        """Return how many rows the dataset has."""
        return self.dataset.row_count

    def rows(
        self, session: Session, *, unless_in_stream: int | None = None, limit: int = -1
    ) -> Generator[list[SourceRow]]:
        """Yield the rows in order, in batches, without those that the stream has let in."""
        return dataset_rows(session, self.dataset, unless_in_stream=unless_in_stream, limit=limit)


@dataclass(frozen=True)
class RehearsedSource(DatasetSource):
    """A dataset as it would be once refreshed; what is new stands in a spool."""

    spool: RowSpool = field(kw_only=True)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, with those of the query's new rows."""
        return columns_with(self.dataset, self.spool)

    def count(self, session: Session) -> int:  # noqa: ARG002
        """Return how many rows the dataset would have."""
        return self.dataset.row_count + len(self.spool)

    def rows(
        self, session: Session, *, unless_in_stream: int | None = None, limit: int = -1
    ) -> Generator[list[SourceRow]]:
        """Yield the dataset's own rows, then the new ones, which have no id yet."""
        yield from dataset_rows(
            session, self.dataset, unless_in_stream=unless_in_stream, limit=limit
        )
        number = self.dataset.row_count
        for batch in self.spool.batches(limit):
            yield [(0, number + place, text) for place, (_, text) in enumerate(batch, start=1)]
            number += len(batch)


def find_source(workspace: Workspace, pipeline: Pipeline, name: str) -> DatasetSource:
    """Return the dataset of the pipeline's organization; raise NotFoundError."""
    with workspace.store.read() as session:
        dataset = find_dataset(session, pipeline.organization_id, name)
        return DatasetSource(dataset, is_query=find_query(session, dataset.id) is not None)


def refreshed(
    workspace: Workspace, source: DatasetSource, resources: ExitStack, *, dry_run: bool
) -> DatasetSource:
    """Return the dataset with what is new in its query; a rehearsal only reads it, for as long.

    Raises SourceProblemError where the query fails, and SourceDatabaseUnavailableError.
    """
    if not source.is_query:
        return source
    if dry_run:
        spool = resources.enter_context(fetched(workspace, source.dataset))
        assert spool is not None  # noqa: S101
        with workspace.store.read() as session:
            drop_known(session, source.dataset, spool)
        warnings = changed_warnings(source.name, spool.changed)
        return RehearsedSource(source.dataset, True, warnings, spool=spool)  # noqa: FBT003
    report = refresh(workspace, source.dataset)
    with workspace.store.read() as session:
        dataset = find_dataset(session, source.dataset.organization_id, source.name)
    return DatasetSource(
        dataset, is_query=True, warnings=changed_warnings(source.name, report.changed)
    )


def seed_from_dataset(
    workspace: Workspace,
    request: MappedRequest,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Plan, and make the tasks; see ``seed_mapped`` for what it raises."""
    with workspace.store.read() as session:
        pipeline = catalogue.find_pipeline(session, request.pipeline)
    found = find_source(workspace, pipeline, request.source)
    with ExitStack() as resources:
        try:
            source = refreshed(workspace, found, resources, dry_run=request.dry_run)
        except SourceProblemError as error:
            return load_rows(workspace, pipeline, request, error, run_id=run_id)
        plan = plan_seeding(workspace, pipeline, source, request)
        return seed_mapped(
            workspace, pipeline, source, request, plan, run_id=run_id, on_progress=on_progress
        )


def plan_only(workspace: Workspace, pipeline: Pipeline, request: MappedRequest) -> Plan | None:
    """Return the plan alone, without taking anything in; None where the dataset's query fails."""
    found = find_source(workspace, pipeline, request.source)
    with ExitStack() as resources:
        try:
            source = refreshed(workspace, found, resources, dry_run=True)
        except SourceProblemError:
            return None
        return plan_seeding(workspace, pipeline, source, request)
