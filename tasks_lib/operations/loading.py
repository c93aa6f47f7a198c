"""Make tasks of a source's rows: all together or none, once. What every seeding from files shares.

The rows are checked and written in one pass, in one transaction that is committed when the last row
has been seen; docs/design.md tells why. The group's row, unique by what the source holds, is
written first, so that of two runs with the same content the second waits and then finds the group.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.mapping import Plan
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.report import MAX_INLINE_ERRORS, Report, ReportError
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.intake.progress import OnProgress
from tasks_lib.intake.row_intake import RowIntake
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.intake_rules import initial_status
from tasks_lib.store import catalogue, seeding_runs, task_groups
from tasks_lib.store.counts import add_counts
from tasks_lib.store.tables import TaskGroupRow
from tasks_lib.store.task_groups import GroupClaim
from tasks_lib.store.tasks import NewTasks, insert_tasks

OWN_ANNOUNCEMENT: Final = timedelta(minutes=1)
"""How long a flow has for telling Prefect of its group, before a relay does it."""


class Seeded(NamedTuple):
    """A seeding's report, the pipeline that it was for, and what else there is to tell."""

    pipeline: Pipeline
    report: Report
    rows_read: int = 0
    blank_lines: int = 0
    files: int = 0
    warnings: tuple[str, ...] = ()
    plan: Plan | None = None


class SeedingRequest(Protocol):
    """What every seeding is asked."""

    @property
    def source(self) -> str:
        """What the source is called."""
        ...

    @property
    def dry_run(self) -> bool:
        """Whether to check everything and write nothing."""
        ...

    @property
    def is_strict(self) -> bool:
        """Whether one bad row turns the whole source away."""
        ...


class RowSource(Protocol):
    """Where the rows come from, once it is known to be readable."""

    @property
    def is_hopeless(self) -> bool:
        """Whether rows are known to be bad, and are read only to be reported."""
        ...

    def check(self, pipeline: Pipeline) -> None:
        """Raise SourceProblemError unless the pipeline takes tasks from this."""
        ...

    def find(self, session: Session, pipeline: Pipeline) -> TaskGroupRow | None:
        """Return the group that holds the whole source already, or None."""
        ...

    def claim(self, session: Session, pipeline: Pipeline, run_id: str, at: datetime) -> GroupClaim:
        """Make the group, or return the one that holds the source or this run's tasks."""
        ...

    def open(self, pipeline: Pipeline, on_progress: OnProgress) -> RowIntake:
        """Begin to read the rows; raise SourceProblemError where they do not fit."""
        ...

    def already_seeded(self, intake: RowIntake) -> int:
        """Return how many rows were left out, because they are tasks already."""
        ...

    def record(self, session: Session, group_id: int) -> None:
        """Write down what the group's tasks refer to, in the transaction that makes them."""
        ...


def load_rows(
    workspace: Workspace,
    pipeline: Pipeline,
    request: SeedingRequest,
    rows: RowSource | SourceProblemError,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Check the rows and make their tasks, or say in the report why not.

    The same ``run_id`` may come again, after a crash or a retry: what it made is made once, and its
    report is returned again. Raises UnavailableError when the store or the storage is lost; then
    nothing was made.
    """
    with ExitStack() as resources:
        load = _Load(workspace, pipeline, request, run_id, on_progress, resources)
        try:
            if isinstance(rows, SourceProblemError):
                raise rows
            report = load.run(rows)
        except SourceProblemError as error:
            report = load.rejection(error.problems)
        if report.is_rejection and not request.dry_run:
            record_report(workspace, run_id, report)
        if load.intake is None:
            return Seeded(pipeline, report)
        rows_read = load.intake.good + load.intake.rejected
        return Seeded(pipeline, report, rows_read, load.intake.blank_lines)


def write_tasks(
    session: Session, pipeline: Pipeline, claim: GroupClaim, batches: Iterable[NewTasks]
) -> int:
    """Write the tasks of a new group, counted, into a pipeline that is locked; return their number.

    A completed pipeline is active again then. The caller completes the group, unless its claim has
    said what goes into it.
    """
    status = initial_status(pipeline)
    created = insert_tasks(
        session,
        batches,
        pipeline_id=pipeline.id,
        group_id=claim.group_id,
        status=status,
        stream_id=claim.stream_id,
    )
    count_created(session, pipeline, created)
    return created


def count_created(session: Session, pipeline: Pipeline, created: int) -> None:
    """Count new tasks of a pipeline, which is active again if it was completed."""
    add_counts(session, pipeline.id, {initial_status(pipeline): created})
    if created and pipeline.status is PipelineStatus.COMPLETED:
        catalogue.reopen(session, pipeline.id)


def seen_before(session: Session, known: Report, run_id: str, at: datetime) -> Report:
    """Return the report of a run whose group is there: the run that made it gets its own again."""
    earlier = seeding_runs.find_report(session, run_id)
    if earlier is not None and earlier.created and earlier.group_id == known.group_id:
        return earlier
    seeding_runs.save_report(session, run_id, known, at=at)
    return known


def record_report(workspace: Workspace, run_id: str, report: Report) -> None:
    """Keep the report of a run that made nothing, for whoever asks for it by the run's id."""
    with workspace.store.write() as session:
        seeding_runs.save_report(session, run_id, report, at=datetime.now(UTC))


class _RejectedRowsError(Exception):
    """A bad row takes the whole source with it; ends the transaction."""


class _NothingNewError(Exception):
    """All rows of the source are tasks already; ends the transaction."""


@dataclass
class _Load:
    """One load, with the intake that it has opened, if it came that far."""

    workspace: Workspace
    pipeline: Pipeline
    request: SeedingRequest
    run_id: str
    on_progress: OnProgress
    resources: ExitStack
    intake: RowIntake | None = None

    def run(self, rows: RowSource) -> Report:
        """Make the tasks, or only see what would be made, or only what is wrong."""
        if rows.is_hopeless:
            rows.check(self.pipeline)
            return self._rejection_of_all(self._open(rows, self.pipeline))
        return self._rehearse(rows) if self.request.dry_run else self._write(rows)

    def rejection(self, problems: Sequence[Problem]) -> Report:
        """Report that nothing was made: for the source's problems, those of its rows, or both."""
        found = self.intake.problems if self.intake is not None else []
        return self._report(problems=[*problems, *found], rejects_uri=self._keep_rejects())

    def _rehearse(self, rows: RowSource) -> Report:
        """Check everything and write nothing."""
        rows.check(self.pipeline)
        with self.workspace.store.read() as session:
            held = rows.find(session, self.pipeline)
            if held is not None:
                return self._report(group_id=held.id, already_seeded=held.task_count)
        intake = self._open(rows, self.pipeline)
        created = sum(len(batch.rows) for batch in intake.batches())
        already_seeded = rows.already_seeded(intake)
        if intake.rejected and (self.request.is_strict or not (created or already_seeded)):
            return self.rejection(())
        return self._report(
            created=created, already_seeded=already_seeded, problems=intake.problems
        )

    def _write(self, rows: RowSource) -> Report:
        """Make the group and its tasks in one transaction."""
        try:
            with self.workspace.store.write() as session:
                return self._write_in(session, rows)
        except _RejectedRowsError:
            return self._rejection_of_all(self._opened)
        except _NothingNewError:
            return self._nothing_new(rows.already_seeded(self._opened))

    def _nothing_new(self, already_seeded: int) -> Report:
        """Report that all good rows are tasks already; where none is, reject the bad ones."""
        problems = self._opened.problems
        if problems and not already_seeded:
            return self.rejection(())
        report = self._report(
            already_seeded=already_seeded, problems=problems, rejects_uri=self._keep_rejects()
        )
        record_report(self.workspace, self.run_id, report)
        return report

    def _rejection_of_all(self, intake: RowIntake) -> Report:
        """Read what has not been read yet, for its problems, and reject it."""
        for _ in intake.batches():
            pass
        return self.rejection(())

    def _write_in(self, session: Session, rows: RowSource) -> Report:
        at = datetime.now(UTC)
        pipeline = catalogue.lock_pipeline(session, self.pipeline.id)
        claim = rows.claim(session, pipeline, self.run_id, at)
        if not claim.is_new:
            known = self._report(group_id=claim.group_id, already_seeded=claim.task_count)
            return seen_before(session, known, self.run_id, at)
        rows.check(pipeline)
        intake = self._open(rows, pipeline)
        created = write_tasks(session, pipeline, claim, self._accepted(intake))
        rows.record(session, claim.group_id)
        task_groups.complete_group(
            session,
            claim.group_id,
            task_count=created,
            rejected=intake.rejected,
            announce_at=datetime.now(UTC) + OWN_ANNOUNCEMENT,
        )
        report = self._report(
            group_id=claim.group_id,
            created=created,
            already_seeded=rows.already_seeded(intake),
            problems=intake.problems,
            rejects_uri=self._keep_rejects(),
        )
        seeding_runs.save_report(session, self.run_id, report, at=at)
        return report

    def _accepted(self, intake: RowIntake) -> Iterator[NewTasks]:
        """Yield what is written; raise as soon as it is clear that nothing may be."""
        for batch in intake.batches():
            if intake.rejected and self.request.is_strict:
                raise _RejectedRowsError
            yield NewTasks(*batch)
        if intake.rejected and self.request.is_strict:
            raise _RejectedRowsError
        if not intake.good:
            raise _NothingNewError

    @property
    def _opened(self) -> RowIntake:
        assert self.intake is not None  # noqa: S101
        return self.intake

    def _open(self, rows: RowSource, pipeline: Pipeline) -> RowIntake:
        self.intake = self.resources.enter_context(rows.open(pipeline, self.on_progress))
        return self.intake

    def _keep_rejects(self) -> str | None:
        """Store the rejects file where there is something in it, and it is not a rehearsal."""
        if self.intake is None or not self.intake.rejected or self.request.dry_run:
            return None
        path = self.intake.rejects.finish()
        return self.workspace.storage.put(f"rejects/{self.run_id}.csv", path)

    def _report(
        self,
        *,
        group_id: int | None = None,
        created: int = 0,
        already_seeded: int = 0,
        problems: Sequence[Problem] = (),
        rejects_uri: str | None = None,
    ) -> Report:
        return Report(
            group_id=group_id,
            pipeline_id=self.pipeline.id,
            created=created,
            rejected=self.intake.rejected if self.intake is not None else 0,
            already_seeded=already_seeded,
            dry_run=self.request.dry_run,
            source=self.request.source,
            rejects_uri=rejects_uri,
            errors=tuple(ReportError.of(problem) for problem in problems[:MAX_INLINE_ERRORS]),
        )
