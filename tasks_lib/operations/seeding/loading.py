"""Create tasks from rows: all of them or none, exactly once. All ways with rows share this load.

The rows are checked and written in one pass, in one transaction that is committed when the last row
has been seen (see docs/concepts/design.md). The group's row, unique by the source's content, is
written first: of two runs with the same content, the second waits and then finds the group.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.report import MAX_INLINE_ERRORS, Report, ReportError
from tasks_lib.domain.rows.keys import key_of
from tasks_lib.domain.rows.tolerance import Tolerance
from tasks_lib.errors import ConflictError, Problem, SourceProblemError
from tasks_lib.intake.rows.checked_rows import CheckKeys
from tasks_lib.intake.rows.duplicate_keys import DuplicateKeys
from tasks_lib.intake.rows.row_intake import RowIntake
from tasks_lib.operations.seeding.reports import (
    LoadRejectedError,
    Seeded,
    SeedingRequest,
    record_report,
    report_again,
    save_report,
)
from tasks_lib.operations.seeding.writing import FullSource, Written, write_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.groups import task_groups
from tasks_lib.store.groups.task_groups import EnsuredGroup, StoredGroup
from tasks_lib.store.keys.keyed_tasks import DuplicateKeysError
from tasks_lib.store.tasks.insert import NewTasks
from tasks_lib.transport.temporary import temporary_folder


class RowsRequest(SeedingRequest, Protocol):
    """A request for a seeding whose tasks come from rows."""

    @property
    def full(self) -> bool:
        """Whether the source is complete, so that tasks without a row are missing from it."""
        ...

    @property
    def allow_shrink(self) -> bool:
        """Whether more than half of the source's tasks may be withdrawn."""
        ...

    @property
    def tolerance(self) -> Tolerance:
        """How many bad rows are skipped before the whole source is rejected."""
        ...


class RowSource(Protocol):
    """A readable source of rows, and how its content is recognized."""

    @property
    def is_hopeless(self) -> bool:
        """Whether rows are known to be bad, so that they are read only for their problems."""
        ...

    def check(self, pipeline: Pipeline) -> None:
        """Raise SourceProblemError unless the pipeline takes tasks from this source."""
        ...

    def find(self, session: Session, pipeline: Pipeline) -> StoredGroup | None:
        """Return the group that holds the whole source already, or None."""
        ...

    def ensure_group(
        self, session: Session, pipeline: Pipeline, run_id: str, at: datetime
    ) -> EnsuredGroup:
        """Create the group, or return the one that holds the source or this run's tasks."""
        ...

    def open(
        self, pipeline: Pipeline, on_progress: OnProgress, check_keys: CheckKeys | None = None
    ) -> RowIntake:
        """Start to read the rows; raise SourceProblemError where they do not fit.

        ``check_keys`` finds rows whose key an earlier row has.
        """
        ...

    def already_seeded(self, intake: RowIntake) -> int:
        """Return how many rows were left out because they are tasks already."""
        ...

    @property
    def changed(self) -> int:
        """How many rows were left out because they are tasks, with other values."""
        ...

    def record(self, session: Session, group_id: int) -> None:
        """Write what the group's tasks refer to, in the transaction that creates them."""
        ...

    def describe(self, seeded: Seeded) -> Seeded:
        """Add the facts that only this source knows: its files, warnings and plan."""
        ...


def load_rows(
    workspace: Workspace,
    pipeline: Pipeline,
    request: RowsRequest,
    rows: RowSource,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Check the rows and create their tasks.

    Idempotent for a ``run_id``: after a crash or a retry it returns the report of what was created
    before. Raises LoadRejectedError, and UnavailableError when the store or the storage is lost;
    then nothing was created.
    """
    with ExitStack() as resources:
        load = _Load(workspace, pipeline, request, run_id, on_progress, resources)
        try:
            report = load.run(rows)
        except SourceProblemError as error:
            report = load.reject(error.problems)
        seeded = rows.describe(load.result(report))
    if report.is_rejection:
        raise LoadRejectedError(seeded)
    return seeded


class SeededMeanwhileError(ConflictError):
    """Another transaction has seeded the same content; a source raises this from ``record``.

    The source is read again, and finds that group then.
    """


class _NoTasksError(Exception):
    """The transaction ends without tasks; ``intake`` is the one that it has opened."""

    def __init__(self, intake: RowIntake) -> None:
        super().__init__()
        self.intake = intake


class _RejectedRowsError(_NoTasksError):
    """Too many bad rows reject the whole source: one, or more than the request tolerates."""


class _NothingNewError(_NoTasksError):
    """All rows of the source are tasks already."""

    def __init__(self, intake: RowIntake, written: Written | None = None) -> None:
        super().__init__(intake)
        self.written = written or Written(0)


class _RehearsedError(Exception):
    """The transaction of a dry run ends; ``report`` is what it would have done."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


@dataclass
class _Load:
    """One load, with the intake that it has opened, if it got that far."""

    workspace: Workspace
    pipeline: Pipeline
    request: RowsRequest
    run_id: str
    on_progress: OnProgress
    resources: ExitStack
    intake: RowIntake | None = None
    checks_keys: bool = False

    def run(self, rows: RowSource) -> Report:
        """Create the tasks, rehearse that, or only collect the problems of the rows."""
        if rows.is_hopeless:
            rows.check(self.pipeline)
            self.checks_keys = bool(self.pipeline.key)
            return self._reject_all(self._open(rows, self.pipeline))
        return self._rehearse(rows) if self.request.dry_run else self._write(rows)

    def reject(self, problems: Sequence[Problem]) -> Report:
        """Store the rejected rows; return the report with the source's problems and the rows'."""
        of_rows = self.intake.problems if self.intake is not None else []
        return self._report(problems=[*problems, *of_rows], rejects_uri=self._store_rejects())

    def _reject_read(self, intake: RowIntake) -> Report:
        """Reject the source for its rows, all of which were read."""
        excess = self.request.tolerance.excess(intake.rejected, intake.rows_read)
        return self.reject((excess,) if excess is not None else ())

    def result(self, report: Report) -> Seeded:
        """Return the report with the counts of what was read."""
        if self.intake is None:
            return Seeded(self.pipeline, report)
        return Seeded(
            self.pipeline,
            report,
            self.intake.rows_read,
            self.intake.blank_lines,
            dialect=self.intake.dialect,
        )

    def _rehearse(self, rows: RowSource) -> Report:
        """Check everything and write nothing."""
        rows.check(self.pipeline)
        if self.pipeline.key:  # which rows are known, only the insert can tell
            return self._write(rows)
        with self.workspace.store.read() as session:
            group = rows.find(session, self.pipeline)
            if group is not None:
                return self._report(group_id=group.id, already_seeded=group.created_count)
        intake = self._open(rows, self.pipeline)
        created = sum(len(batch.rows) for batch in intake.batches())
        already_seeded = rows.already_seeded(intake)
        is_refused = self.request.tolerance.refuses(intake.rejected, intake.rows_read)
        if is_refused or (intake.rejected and not (created or already_seeded)):
            return self._reject_read(intake)
        return self._report(
            created=created,
            already_seeded=already_seeded,
            changed=rows.changed,
            problems=intake.problems,
        )

    def _write(self, rows: RowSource) -> Report:
        """Create the group and its tasks in one transaction."""
        try:
            with self.workspace.store.write() as session:
                report = self._write_in(session, rows)
                if self.request.dry_run:
                    raise _RehearsedError(report)
                return report
        except _RehearsedError as error:
            return error.report
        except (SeededMeanwhileError, DuplicateKeysError) as error:
            self._begin_again(checks_keys=isinstance(error, DuplicateKeysError))
            return self._write(rows)
        except _RejectedRowsError as error:
            if not self.pipeline.key or self.checks_keys:
                return self._reject_all(error.intake)
            self._begin_again(checks_keys=True)
            return self._reject_all(self._open(rows, self.pipeline))
        except _NothingNewError as error:
            return self._report_nothing_new(rows, error)

    def _begin_again(self, *, checks_keys: bool) -> None:
        """Let the source be read again; ``checks_keys`` rejects rows whose key an earlier row has.

        Once keys are checked, they are checked from then on.
        """
        self.resources.close()
        self.checks_keys = self.checks_keys or checks_keys

    def _report_nothing_new(self, rows: RowSource, nothing_new: _NothingNewError) -> Report:
        """Report that all good rows are tasks already; if there is none, reject the bad ones."""
        intake, written = nothing_new.intake, nothing_new.written
        already_seeded = rows.already_seeded(intake) + written.already_seeded
        changed = rows.changed + written.changed
        if intake.problems and not (already_seeded or changed):
            return self.reject(())
        report = self._report(
            already_seeded=already_seeded,
            changed=changed,
            problems=[*intake.problems, *written.problems],
            rejects_uri=self._store_rejects(),
        )
        if not self.request.dry_run:
            record_report(self.workspace, self.run_id, report, self.request.naming)
        return report

    def _reject_all(self, intake: RowIntake) -> Report:
        """Read the remaining rows for their problems, and reject them all."""
        for _ in intake.batches():
            pass
        return self._reject_read(intake)

    def _write_in(self, session: Session, rows: RowSource) -> Report:
        at = self.workspace.store.now()
        pipeline = catalogue.lock_pipeline(session, self.pipeline.id)
        group = rows.ensure_group(session, pipeline, self.run_id, at)
        if not group.is_new:
            known = self._report(group_id=group.group_id, already_seeded=group.task_count)
            if self.request.dry_run:
                return known
            return report_again(session, self.workspace, known, self.run_id, self.request.naming)
        rows.check(pipeline)
        intake = self._open(rows, pipeline)
        written = write_tasks(
            session,
            pipeline,
            group,
            self._accept(intake),
            at=at,
            full=self._full(intake),
        )
        if not written.has_changed:
            raise _NothingNewError(intake, written)
        rows.record(session, group.group_id)
        task_groups.complete_group(
            session,
            group.group_id,
            task_count=written.created,
            rejected=intake.rejected,
            announce_at=None,  # the report is announced
        )
        report = self._report(
            group_id=group.group_id if not self.request.dry_run else None,
            created=written.created,
            already_seeded=rows.already_seeded(intake) + written.already_seeded,
            changed=rows.changed + written.changed,
            updated=written.updated,
            withdrawn=written.withdrawn,
            problems=[*intake.problems, *written.problems],
            rejects_uri=self._store_rejects(),
        )
        if not self.request.dry_run:
            save_report(session, self.workspace, self.run_id, report, self.request.naming)
        return report

    def _full(self, intake: RowIntake) -> FullSource | None:
        if not self.request.full:
            return None
        name, allows_shrink = self.request.source, self.request.allow_shrink
        return FullSource(name, allows_shrink, lambda: not intake.rejected)

    def _accept(self, intake: RowIntake) -> Iterator[NewTasks]:
        """Yield the tasks to write; raise as soon as it is clear that none may be written."""
        tolerance = self.request.tolerance
        for batch in intake.batches():
            if tolerance.refuses(intake.rejected):
                raise _RejectedRowsError(intake)
            yield NewTasks(*batch)
        if tolerance.refuses(intake.rejected, intake.rows_read):
            raise _RejectedRowsError(intake)
        if not intake.good:
            raise _NothingNewError(intake)

    def _open(self, rows: RowSource, pipeline: Pipeline) -> RowIntake:
        check_keys = self._check_keys(pipeline) if self.checks_keys else None
        intake = rows.open(pipeline, self.on_progress, check_keys)
        self.intake = self.resources.enter_context(intake)
        return self.intake

    def _check_keys(self, pipeline: Pipeline) -> CheckKeys:
        folder = self.resources.enter_context(temporary_folder())
        read = key_of(pipeline.dataset_fields, pipeline.key)
        return self.resources.enter_context(
            closing(DuplicateKeys(pipeline.key, read, folder))
        ).check

    def _store_rejects(self) -> str | None:
        """Store the rejects file, unless it is empty or this is a dry run."""
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
        changed: int = 0,
        updated: int = 0,
        withdrawn: int = 0,
        problems: Sequence[Problem] = (),
        rejects_uri: str | None = None,
    ) -> Report:
        return Report(
            group_id=group_id,
            pipeline_id=self.pipeline.id,
            created=created,
            rejected=self.intake.rejected if self.intake is not None else 0,
            already_seeded=already_seeded,
            changed=changed,
            updated=updated,
            withdrawn=withdrawn,
            dry_run=self.request.dry_run,
            source=self.request.source,
            rejects_uri=rejects_uri,
            errors=tuple(ReportError.of(problem) for problem in problems[:MAX_INLINE_ERRORS]),
        )
