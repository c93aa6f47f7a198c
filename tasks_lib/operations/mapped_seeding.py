"""Seed a pipeline from rows that have an id: a dataset's, or the finished tasks of another one.

A plan says which column fills which field. Each row goes in once: the database holds its id unique
in the stream from this source into this pipeline, so that a run again makes what is new.
"""

from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.conversions import Column
from tasks_lib.domain.json_rows import json_text
from tasks_lib.domain.mapping import Plan, plan_mapping
from tasks_lib.domain.mapping_plan import compile_plan, with_sample
from tasks_lib.domain.names import is_storable
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.saved_mapping import (
    checked_mapping_name,
    drift_problems,
    split_mapping_name,
)
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError
from tasks_lib.intake.mapped_rows import MappedIntake, Parse, RowFeed, SourceRow
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.row_intake import RowIntake
from tasks_lib.operations.loading import Seeded, load_rows
from tasks_lib.operations.saved_mappings import save_mapping
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.intake_rules import why_closed
from tasks_lib.store import task_groups
from tasks_lib.store.saved_mappings import find_mapping
from tasks_lib.store.streams import Stream, find_stream, lock_stream
from tasks_lib.store.tables import TaskGroupRow
from tasks_lib.store.task_groups import GroupClaim

SAMPLE_ROWS: Final = 100


@dataclass(frozen=True)
class MappedRequest:
    """Which source to seed from, how its columns fill the fields, and how to take bad rows.

    ``mapping`` is field to ``column[:jsonpath]``; what it does not name is matched by name, except
    for ``skip``. ``reseed`` lets in again what was seeded before. ``mapping_name`` is a saved
    mapping, ``NAME[@VERSION]``, of which ``mapping`` and ``skip`` say what is to be otherwise; with
    ``accept_drift`` the source may have changed since. ``save_mapping`` is a name to save it under.
    """

    pipeline: str
    source: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    on_error: OnError = OnError.REJECT_FILE
    dry_run: bool = False
    reseed: bool = False
    mapping_name: str = ""
    save_mapping: str = ""
    accept_drift: bool = False

    def __post_init__(self) -> None:
        for name in (self.pipeline, self.source):
            if not is_storable(name):
                raise UsageError(f"{name!r} holds a NUL character or bytes that are not UTF-8")
        if self.mapping_name:
            split_mapping_name(self.mapping_name)
        if self.save_mapping:
            checked_mapping_name(self.save_mapping)

    @property
    def is_strict(self) -> bool:
        """Whether one bad row turns the whole source away."""
        return self.on_error is OnError.REJECT_FILE


class MappedSource(Protocol):
    """A source whose rows have ids."""

    @property
    def kind(self) -> str:
        """What the group is said to come from."""
        ...

    @property
    def key(self) -> str:
        """What names the source in its streams, for ever."""
        ...

    @property
    def name(self) -> str:
        """What people call the source."""
        ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of the source."""
        ...

    @property
    def parse(self) -> Parse:
        """The function that reads a row's text."""
        ...

    def count(self, session: Session) -> int:
        """Return how many rows there are."""
        ...

    def rows(
        self, session: Session, *, unless_in_stream: int | None = None, limit: int = -1
    ) -> Generator[list[SourceRow]]:
        """Yield the rows in order, in batches, without those that the stream has let in."""
        ...


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
    return with_sample(plan, [_as_texts(row) for row in rows])


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
    """Make a task of each row that is not one yet, or say in the report why not.

    See ``load_rows``; what is wrong with the plan is in the report, and nothing is made then.
    """
    request = replace(request, source=source.name)  # a pipeline may be named by its number
    if request.save_mapping and not request.dry_run and not plan.problems and plan.filled:
        save_mapping(workspace, pipeline.id, request.save_mapping, plan, source.name)
    with ExitStack() as resources:
        rows = MappedRows(workspace, source, request, plan, resources)
        seeded = load_rows(
            workspace, pipeline, request, rows, run_id=run_id, on_progress=on_progress
        )
        return seeded._replace(plan=plan, warnings=source.warnings)


@dataclass
class MappedRows:
    """The rows of a source that a stream has not let in yet, as a source of tasks."""

    workspace: Workspace
    source: MappedSource
    request: MappedRequest
    plan: Plan
    resources: ExitStack
    stream: Stream | None = None
    total: int = 0
    is_hopeless: Final = False

    def check(self, pipeline: Pipeline) -> None:
        """Raise SourceProblemError unless the plan holds and the pipeline takes tasks by it."""
        if self.plan.problems:
            raise SourceProblemError(*self.plan.problems)
        refusal = why_closed(pipeline)
        if refusal is not None:
            raise SourceProblemError(refusal)
        if pipeline.fields != tuple(entry.field for entry in self.plan.fields):
            message = f"pipeline {pipeline.path} was given other fields meanwhile; seed it again"
            raise SourceProblemError(Problem("pipeline_changed", message))
        if not self.plan.filled:
            message = "no column fills any field; map one by hand, as field=column"
            raise SourceProblemError(Problem("nothing_mapped", message))

    def find(self, session: Session, pipeline: Pipeline) -> TaskGroupRow | None:
        """Return None: what there is already is counted row by row."""
        if not self.request.reseed:
            self.stream = find_stream(session, pipeline.id, self.source.key)
        return None

    def claim(self, session: Session, pipeline: Pipeline, run_id: str, at: datetime) -> GroupClaim:
        """Lock the stream, and make the group of this run or return it."""
        key = f"{self.source.key} run:{run_id}"
        made = task_groups.find_group(session, pipeline.id, key)
        if made is not None:
            return GroupClaim(made.id, is_new=False, task_count=made.task_count)
        self.stream = self._locked(session, pipeline)
        return task_groups.claim_group(
            session,
            pipeline_id=pipeline.id,
            kind=self.source.kind,
            seed_key=key,
            source=self.request.source,
            at=at,
            stream_id=self.stream.id,
        )

    def open(self, pipeline: Pipeline, on_progress: OnProgress) -> RowIntake:  # noqa: ARG002
        """Begin to read the rows, over a connection of their own."""
        session = self.resources.enter_context(self.workspace.store.read())
        self.total = self.source.count(session)
        stream_id = self.stream.id if self.stream is not None else None
        batches = self.source.rows(session, unless_in_stream=stream_id)
        feed = RowFeed(self.total, batches, self.source.parse)
        return MappedIntake(feed, compile_plan(self.plan), self.workspace.limits, on_progress)

    def already_seeded(self, intake: RowIntake) -> int:
        """Return how many rows the stream had let in before."""
        return max(0, self.total - intake.good - intake.rejected)

    def record(self, session: Session, group_id: int) -> None:
        """Do nothing: each task has the id of its row."""

    def _locked(self, session: Session, pipeline: Pipeline) -> Stream:
        latest = find_stream(session, pipeline.id, self.source.key)
        generation = latest.generation if latest is not None else 1
        if self.request.reseed and latest is not None:
            generation += 1
        return lock_stream(session, pipeline.id, self.source.key, generation)


def _plan(
    session: Session, pipeline: Pipeline, source: MappedSource, request: MappedRequest
) -> Plan:
    """Plan by what was said by hand, and by the saved mapping where nothing was."""
    if not request.mapping_name:
        return plan_mapping(source.columns, pipeline.fields, request.mapping, request.skip)
    name, version = split_mapping_name(request.mapping_name)
    saved = find_mapping(session, pipeline.id, name, version)
    held = saved.content
    mapping = {target: said for target, said in held.mapping.items() if target not in request.skip}
    skip = [target for target in held.skip if target not in request.mapping]
    plan = plan_mapping(
        source.columns, pipeline.fields, mapping | dict(request.mapping), [*skip, *request.skip]
    )
    if request.accept_drift:
        return plan
    drifted = drift_problems(saved.title, held.columns, source.columns)
    return replace(plan, problems=(*drifted, *plan.problems))


def _as_texts(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: json_text(value) for name, value in row.items()}
