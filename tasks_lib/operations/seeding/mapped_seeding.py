"""Seed a pipeline from rows that have ids: those of a dataset, or another pipeline's tasks.

A plan decides which column fills which field. Each row is seeded once: its id is unique in the
stream from this source into this pipeline, so that another run creates only new tasks.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.intake_rules import why_closed
from tasks_lib.domain.mapping.compile import compile_plan, with_sample
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.drift import lost_columns
from tasks_lib.domain.mapping.path_budget import Timing
from tasks_lib.domain.mapping.plans import Plan, plan_mapping
from tasks_lib.domain.mapping.saved import (
    check_mapping_name,
    drift_problems,
    split_mapping_name,
)
from tasks_lib.domain.names import check_storable
from tasks_lib.domain.naming import NamedRequest
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.rows.json_rows import json_text
from tasks_lib.domain.rows.tolerance import Tolerance
from tasks_lib.domain.statuses import OnError, SeedKind
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.rows.checked_rows import CheckKeys
from tasks_lib.intake.rows.mapped_rows import (
    EmptyFields,
    Parse,
    StoredRow,
    StoredRows,
    open_mapped,
)
from tasks_lib.intake.rows.row_intake import RowIntake
from tasks_lib.operations.datasets.saved_mappings import save_mapping
from tasks_lib.operations.seeding.loading import load_rows
from tasks_lib.operations.seeding.reports import Seeded, seed
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.chains.streams import Stream, find_stream, lock_stream, save_columns
from tasks_lib.store.datasets.saved_mappings import find_mapping
from tasks_lib.store.groups import task_groups
from tasks_lib.store.groups.task_groups import EnsuredGroup, StoredGroup

SAMPLE_ROWS: Final = 100


@dataclass(frozen=True, kw_only=True)
class MappedRequest(NamedRequest):
    """Which source to seed from, how its columns fill the fields, and how to treat bad rows.

    ``mapping`` is field to ``column[:jsonpath]``; other fields are matched by name, except those of
    ``skip``. ``max_rejected`` is the most bad rows to skip, as ``N`` or ``P%``; empty means any
    number. ``reseed`` seeds rows again that were seeded before. ``mapping_name`` is a saved
    mapping, ``NAME[@VERSION]``, which ``mapping`` and ``skip`` override; with ``accept_drift`` the
    source's columns may have changed since. ``save_mapping`` is the name to save the mapping under.
    """

    pipeline: str
    source: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    on_error: OnError = OnError.REJECT_FILE
    max_rejected: str = ""
    dry_run: bool = False
    full: bool = False
    allow_shrink: bool = False
    reseed: bool = False
    mapping_name: str = ""
    save_mapping: str = ""
    accept_drift: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_storable(self.pipeline, self.source)
        Tolerance.parse(self.on_error, self.max_rejected)
        if self.mapping_name:
            split_mapping_name(self.mapping_name)
        if self.save_mapping:
            check_mapping_name(self.save_mapping)

    @property
    def tolerance(self) -> Tolerance:
        """How many bad rows are skipped before the whole source is rejected."""
        return Tolerance.parse(self.on_error, self.max_rejected)


class MappedSource(Protocol):
    """A source whose rows have ids."""

    @property
    def kind(self) -> SeedKind:
        """The kind of the group."""
        ...

    @property
    def key(self) -> str:
        """The permanent identity of the source in its streams."""
        ...

    @property
    def name(self) -> str:
        """The source's name, as people know it."""
        ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the source that a person should see."""
        ...

    @property
    def parse(self) -> Parse:
        """The function that reads a row's text."""
        ...

    def hold(self, session: Session) -> None:
        """Keep the rows from being deleted until the transaction ends."""
        ...

    @property
    def version(self) -> int | None:
        """The version of the source, if it has any."""
        ...

    @property
    def may_change(self) -> bool:
        """Whether the values of a row can change."""
        ...

    def count(self, session: Session) -> int:
        """Return how many rows there are."""
        ...

    def count_changed(self, session: Session, stream_id: int) -> int:
        """Return how many rows have changed since the stream let them in."""
        ...

    def rows(
        self,
        session: Session,
        *,
        unless_in_stream: int | None = None,
        unless_removed_from: int | None = None,
        limit: int = -1,
    ) -> Generator[list[StoredRow]]:
        """Yield the rows in order, in batches.

        Leaves out those that the one stream holds already, or whose tasks an undo has removed from
        the other.
        """
        ...


OpenSource = Callable[[Workspace, Pipeline, MappedRequest, ExitStack], MappedSource]
"""Returns the source of a request; the stack keeps open what the source reads from."""


def seed_from_source(
    workspace: Workspace,
    request: MappedRequest,
    open_source: OpenSource,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Open the source, plan the mapping and load the rows, or return the report of the rejection.

    Idempotent for a ``run_id``. Raises NotFoundError, UsageError and UnavailableError.
    """

    def load(pipeline: Pipeline) -> Seeded:
        with ExitStack() as resources:
            source = open_source(workspace, pipeline, request, resources)
            plan = plan_seeding(workspace, pipeline, source, request)
            return seed_mapped(
                workspace, pipeline, source, request, plan, run_id=run_id, on_progress=on_progress
            )

    return seed(workspace, request, load, run_id=run_id)


def plan_seeding(
    workspace: Workspace, pipeline: Pipeline, source: MappedSource, request: MappedRequest
) -> Plan:
    """Decide which column fills which field, and try it on the first rows of the source."""
    with workspace.store.read() as session:
        plan = _plan(session, pipeline, source, request)
        batches = source.rows(session, limit=SAMPLE_ROWS)
        first = next(batches, [])  # the only one, unless the rows are large
        batches.close()
    rows = [source.parse(text) for _, _, text in first]
    timing = Timing.of_rows(time.thread_time, len(rows))
    return with_sample(plan, [_as_texts(row) for row in rows], timing)


def seed_mapped(
    workspace: Workspace,
    pipeline: Pipeline,
    source: MappedSource,
    request: MappedRequest,
    plan: Plan,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Create a task from each row that is not a task yet.

    Raises SourceProblemError with the plan's problems, if it has any, and see ``load_rows``.
    """
    request = replace(request, source=source.name)  # a pipeline can be named by its id
    if request.save_mapping and not request.dry_run and not plan.obstacles:
        save_mapping(workspace, pipeline.id, request.save_mapping, plan, source.name)
    with ExitStack() as resources:
        rows = MappedRows(workspace, source, request, plan, resources)
        return load_rows(workspace, pipeline, request, rows, run_id=run_id, on_progress=on_progress)


@dataclass
class MappedRows:
    """The rows of a source that a stream does not hold yet, as a source of tasks."""

    workspace: Workspace
    source: MappedSource
    request: MappedRequest
    plan: Plan
    resources: ExitStack
    stream: Stream | None = None
    total: int = 0
    changed: int = 0
    empty_fields: EmptyFields | None = None

    @property
    def is_hopeless(self) -> bool:
        """Whether rows are known to be bad; they never are before they are read."""
        return False

    def check(self, pipeline: Pipeline) -> None:
        """Raise SourceProblemError unless the plan is valid and fits the pipeline as it is now."""
        if self.plan.obstacles:
            raise SourceProblemError(*self.plan.obstacles)
        refusal = why_closed(pipeline)
        if refusal is not None:
            raise SourceProblemError(refusal)
        if pipeline.fields != tuple(entry.field for entry in self.plan.fields):
            message = f"pipeline {pipeline.path} was given other fields meanwhile; seed it again"
            raise SourceProblemError(Problem("pipeline_changed", message))

    def find(self, session: Session, pipeline: Pipeline) -> StoredGroup | None:
        """Return None: rows that are tasks already are counted one by one."""
        if not self.request.reseed:
            self.stream = find_stream(session, pipeline.id, self.source.key)
        return None

    def ensure_group(
        self, session: Session, pipeline: Pipeline, run_id: str, at: datetime
    ) -> EnsuredGroup:
        """Lock the stream, and create the group of this run or return it."""
        key = f"{self.source.key} run:{run_id}"
        group = task_groups.find_group(session, pipeline.id, key)
        if group is not None:
            return EnsuredGroup(group.id, is_new=False, task_count=group.created_count)
        self.stream = self._lock_stream(session, pipeline)
        self.source.hold(session)
        return task_groups.ensure_group(
            session,
            pipeline_id=pipeline.id,
            kind=self.source.kind,
            seed_key=key,
            source=self.request.source,
            at=at,
            stream_id=self.stream.id,
            naming=self.request.naming,
        )

    def open(
        self,
        pipeline: Pipeline,
        on_progress: OnProgress,
        check_keys: CheckKeys | None = None,
    ) -> RowIntake:
        """Start to read the rows, over a connection of their own."""
        session = self.resources.enter_context(self.workspace.store.read())
        self.total = self.source.count(session)
        stream_id = self.stream.id if self.stream is not None else None
        if pipeline.key and (self.request.full or self.source.may_change):
            # Rows that are tasks are recognized by their keys.
            batches = self.source.rows(session, unless_removed_from=stream_id)
        else:
            if stream_id is not None:
                self.changed = self.source.count_changed(session, stream_id)
            batches = self.source.rows(session, unless_in_stream=stream_id)
        rows = StoredRows(self.total, batches, self.source.parse)
        filled = compile_plan(self.plan, Timing.of_rows(time.thread_time, self.total))
        self.empty_fields = EmptyFields(filled)
        return open_mapped(
            rows,
            filled,
            self.workspace.limits,
            empty_fields=self.empty_fields,
            on_progress=on_progress,
            check_keys=check_keys,
        )

    def already_seeded(self, intake: RowIntake) -> int:
        """Return how many rows the stream held before, with the values that they have now."""
        return max(0, self.total - intake.good - intake.rejected - self.changed)

    def record(self, session: Session, group_id: int) -> None:
        """Save which columns filled the fields, and the version; each task has its row's id."""
        if self.stream is not None:
            save_columns(session, self.stream, self.plan.filled_from)
        if self.source.version is not None:
            task_groups.save_source_version(session, group_id, self.source.version)

    def describe(self, seeded: Seeded) -> Seeded:
        """Add the plan, the source's warnings, and those about fields that stay empty."""
        warnings = self.source.warnings
        if seeded.report.created and self.empty_fields is not None:
            empty = self.empty_fields
            warnings += self.plan.warn_of_empty(empty.names, empty.rows)
        return seeded._replace(plan=self.plan, warnings=warnings)

    def _lock_stream(self, session: Session, pipeline: Pipeline) -> Stream:
        latest = find_stream(session, pipeline.id, self.source.key)
        generation = latest.generation if latest is not None else 1
        if self.request.reseed and latest is not None:
            generation += 1
        return lock_stream(session, pipeline.id, self.source.key, generation)


def _plan(
    session: Session, pipeline: Pipeline, source: MappedSource, request: MappedRequest
) -> Plan:
    """Plan by the request's mapping, and by the saved mapping for the other fields."""
    if not request.mapping_name:
        plan = plan_mapping(source.columns, pipeline.fields, request.mapping, request.skip)
        stream = find_stream(session, pipeline.id, source.key)
        if stream is None or request.accept_drift:
            return plan
        lost = lost_columns(plan, stream.filled_from)
        return replace(plan, problems=(*lost, *plan.problems))
    name, version = split_mapping_name(request.mapping_name)
    saved = find_mapping(session, pipeline.id, name, version)
    content = saved.content
    mapping = {
        target: source for target, source in content.mapping.items() if target not in request.skip
    }
    skip = [target for target in content.skip if target not in request.mapping]
    plan = plan_mapping(
        source.columns, pipeline.fields, mapping | dict(request.mapping), [*skip, *request.skip]
    )
    if request.accept_drift:
        return plan
    drifted = drift_problems(saved.title, content.columns, source.columns)
    return replace(plan, problems=(*drifted, *plan.problems))


def _as_texts(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: json_text(value) for name, value in row.items()}
