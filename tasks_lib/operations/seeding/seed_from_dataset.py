"""Seed a pipeline from a dataset of its organization: each row becomes one task, once."""

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.plans import Plan
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.rows.json_rows import parse_row
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.errors import SourceProblemError
from tasks_lib.intake.datasets.row_spool import RowSpool
from tasks_lib.intake.rows.mapped_rows import Parse, StoredRow
from tasks_lib.operations.datasets.query_datasets import (
    columns_with,
    refresh,
    rehearse,
    run_query,
    warn_of_repeated,
)
from tasks_lib.operations.datasets.upsert import CompleteSource
from tasks_lib.operations.seeding.mapped_seeding import (
    MappedRequest,
    plan_seeding,
    seed_from_source,
)
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.datasets.dataset_rows import (
    count_changed_rows,
    find_last_row,
    stream_dataset_rows,
)
from tasks_lib.store.datasets.datasets import Dataset, Query, find_dataset, find_query

_WITHOUT_DIGITS: Final = frozenset({FieldType.TEXT, FieldType.BOOLEAN})


@dataclass(frozen=True)
class DatasetSource:
    """A dataset as a source of tasks; ``query`` is where its rows come from, unless from files."""

    dataset: Dataset
    query: Query | None = None
    warnings: tuple[str, ...] = ()
    kind: ClassVar[SeedKind] = SeedKind.DATASET

    @property
    def key(self) -> str:
        """The dataset's id, which a new name does not change."""
        return f"dataset:{self.dataset.id}"

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.dataset.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that the imports have found."""
        return self.dataset.columns

    @property
    def parse(self) -> Parse:
        """The function that reads a row's text; a faster one if no number's digits matter."""
        has_digits = any(column.type not in _WITHOUT_DIGITS for column in self.columns)
        return parse_row if has_digits else orjson.loads

    def hold(self, session: Session) -> None:
        """Do nothing: a dataset with rows that became tasks is not deleted meanwhile."""

    @property
    def version(self) -> int | None:
        """The version of the dataset whose rows these are."""
        return self.dataset.version

    @property
    def may_change(self) -> bool:
        """Whether rows can change: they have a key."""
        return bool(self.dataset.key_columns) or self.query is not None

    def count(self, session: Session) -> int:  # noqa: ARG002
        """Return how many rows the dataset has."""
        return self.dataset.row_count

    def count_changed(self, session: Session, stream_id: int) -> int:
        """Return how many rows have changed since the stream let them in."""
        return count_changed_rows(session, self.dataset, stream_id) if self.may_change else 0

    def rows(
        self,
        session: Session,
        *,
        unless_in_stream: int | None = None,
        unless_removed_from: int | None = None,
        limit: int = -1,
    ) -> Generator[list[StoredRow]]:
        """Yield the rows in order, in batches, without those that the streams leave out."""
        return stream_dataset_rows(
            session,
            self.dataset,
            unless_in_stream=unless_in_stream,
            unless_removed_from=unless_removed_from,
            limit=limit,
        )


@dataclass(frozen=True)
class RehearsedSource(DatasetSource):
    """A dataset as a refresh would leave it; its new rows are in a spool."""

    spool: RowSpool = field(kw_only=True)
    is_full: bool = field(kw_only=True)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, including those of the query's new rows."""
        return columns_with(self.dataset, self.spool)

    def count(self, session: Session) -> int:  # noqa: ARG002
        """Return how many rows the refreshed dataset would have."""
        stays = self.spool.known if self.is_full else self.dataset.row_count
        return stays + self.spool.returned + len(self.spool)

    def rows(
        self,
        session: Session,
        *,
        unless_in_stream: int | None = None,
        unless_removed_from: int | None = None,
        limit: int = -1,
    ) -> Generator[list[StoredRow]]:
        """Yield the dataset's rows, then the new ones, which have no id yet.

        Rows that the dataset had before are left out: they count as seeded.
        """
        number = find_last_row(session, self.dataset)
        for batch in stream_dataset_rows(
            session,
            self.dataset,
            unless_in_stream=unless_in_stream,
            unless_removed_from=unless_removed_from,
            limit=limit,
        ):
            yield self.spool.update(batch, leaves_out_missing=self.is_full)
        for new in self.spool.batches(limit):
            yield [(0, number + place, text) for place, (_, text) in enumerate(new, start=1)]
            number += len(new)


def find_source(workspace: Workspace, pipeline: Pipeline, name: str) -> DatasetSource:
    """Return the dataset of the pipeline's organization; raise NotFoundError."""
    with workspace.store.read() as session:
        dataset = find_dataset(session, pipeline.organization_id, name)
        return DatasetSource(dataset, find_query(session, dataset.id))


def refresh_source(
    workspace: Workspace, source: DatasetSource, request: MappedRequest, resources: ExitStack
) -> DatasetSource:
    """Return the dataset with the rows of its query; a dry run reads them and stores nothing.

    Raises SourceProblemError where the query fails, and SourceDatabaseUnavailableError.
    """
    if source.query is None:
        return source
    full = CompleteSource(request.allow_shrink) if request.full else None
    if request.dry_run:
        spool = resources.enter_context(run_query(workspace, source.query))
        with workspace.store.read() as session:
            rehearse(session, source.dataset, spool, full)
        warnings = warn_of_repeated(source.name, spool.repeated)
        return RehearsedSource(
            source.dataset, source.query, warnings, spool=spool, is_full=request.full
        )
    report = refresh(workspace, source.dataset, source.query, full)
    with workspace.store.read() as session:
        dataset = find_dataset(session, source.dataset.organization_id, source.name)
    return DatasetSource(dataset, source.query, warn_of_repeated(source.name, report.repeated))


def open_source(
    workspace: Workspace, pipeline: Pipeline, request: MappedRequest, resources: ExitStack
) -> DatasetSource:
    """Return the dataset of a request, refreshed; see ``find_source`` and ``refresh_source``."""
    source = find_source(workspace, pipeline, request.source)
    return refresh_source(workspace, source, request, resources)


def seed_from_dataset(
    workspace: Workspace,
    request: MappedRequest,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Seed from a dataset of the pipeline's organization; see ``seed_from_source``."""
    return seed_from_source(workspace, request, open_source, run_id=run_id, on_progress=on_progress)


def plan_only(workspace: Workspace, pipeline: Pipeline, request: MappedRequest) -> Plan | None:
    """Return the plan alone, without storing new rows; None where the dataset's query fails."""
    rehearsal = replace(request, dry_run=True)
    with ExitStack() as resources:
        try:
            source = open_source(workspace, pipeline, rehearsal, resources)
        except SourceProblemError:  # the report of the seeding lists its problems
            return None
        return plan_seeding(workspace, pipeline, source, request)
