"""Seed a pipeline from a CSV file: each row makes one task, all together or none, once.

The rows are checked and written in one pass, in one transaction that is committed when the last row
has been seen; docs/design.md tells why. The group's row, unique by the content's hash, is
written first, so that of two runs with the same file the second waits and then finds the group.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import is_storable
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.report import MAX_INLINE_ERRORS, Report, ReportError
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError
from tasks_lib.intake.csv_intake import CsvIntake, OnProgress
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.sources import SourceFile, fetch
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.intake_rules import initial_status, why_no_csv
from tasks_lib.store import catalogue, seeding_runs, task_groups
from tasks_lib.store.task_groups import GroupClaim
from tasks_lib.store.tasks import NewTasks, insert_tasks

KIND: Final = "csv"


@dataclass(frozen=True)
class CsvRequest:
    """What to seed, from where, and how to take bad rows.

    An empty ``encoding`` means UTF-8, or what the file's byte order mark says; ``delimiter`` may be
    the word tab.
    """

    pipeline: str
    source: str
    on_error: OnError = OnError.REJECT_FILE
    dry_run: bool = False
    allow_duplicate: bool = False
    encoding: str = ""
    delimiter: str = ","

    def __post_init__(self) -> None:
        for name in (self.pipeline, self.source):
            if not is_storable(name):
                raise UsageError(f"{name!r} holds a NUL character or bytes that are not UTF-8")
        delimiter = {"tab": "\t", "\\t": "\t"}.get(self.delimiter, self.delimiter)
        if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
            raise UsageError(
                f"the delimiter {self.delimiter!r} must be one ASCII character other than a quote "
                "or a line break, or the word tab"
            )
        object.__setattr__(self, "delimiter", delimiter)


class Seeded(NamedTuple):
    """A seeding's report, the pipeline that it was for, and how much of the source was read."""

    pipeline: Pipeline
    report: Report
    rows_read: int = 0
    blank_lines: int = 0


def seed_from_csv(
    workspace: Workspace,
    request: CsvRequest,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Fetch the source and load it; see ``fetch_source`` and ``load_csv`` for what they raise."""
    with workspace.store.read() as session:
        pipeline = catalogue.find_pipeline(session, request.pipeline)
    with TemporaryDirectory(prefix="seeding-") as folder:
        source = fetch_source(request.source, Path(folder), workspace.limits)
        return load_csv(
            workspace, pipeline, request, source, run_id=run_id, on_progress=on_progress
        )


def fetch_source(uri: str, folder: Path, limits: Limits) -> SourceFile | SourceProblemError:
    """Return the fetched source, or what makes it unreadable, which belongs into the report.

    Raises StorageUnavailableError, after which it is worth trying again.
    """
    try:
        return fetch(uri, folder, limits)
    except SourceProblemError as problem:
        return problem


def load_csv(
    workspace: Workspace,
    pipeline: Pipeline,
    request: CsvRequest,
    source: SourceFile | SourceProblemError,
    *,
    run_id: str,
    on_progress: OnProgress = lambda _: None,
) -> Seeded:
    """Check the source and make its tasks, or say in the report why not.

    The same ``run_id`` may come again, after a crash or a retry: what it made is made once, and its
    report is returned again. Raises UnavailableError when the store or the storage is lost; then
    nothing was made.
    """
    with ExitStack() as resources:
        load = _Load(workspace, pipeline, request, run_id, on_progress, resources)
        try:
            if isinstance(source, SourceProblemError):
                raise source
            report = load.rehearse(source) if request.dry_run else load.write(source)
        except SourceProblemError as error:
            report = load.rejection(error.problems)
        if report.is_rejection and not request.dry_run:
            record_report(workspace, run_id, report)
        if load.intake is None:
            return Seeded(pipeline, report)
        rows_read = load.intake.good + load.intake.rejected
        return Seeded(pipeline, report, rows_read, load.intake.blank_lines)


def record_report(workspace: Workspace, run_id: str, report: Report) -> None:
    """Keep the report of a run that made nothing, for whoever asks for it by the run's id."""
    with workspace.store.write() as session:
        seeding_runs.save_report(session, run_id, report, at=datetime.now(UTC))


class _RejectedRowsError(Exception):
    """A bad row takes the whole source with it; ends the transaction."""


@dataclass
class _Load:
    """One load, with the intake that it has opened, if it came that far."""

    workspace: Workspace
    pipeline: Pipeline
    request: CsvRequest
    run_id: str
    on_progress: OnProgress
    resources: ExitStack
    intake: CsvIntake | None = None

    def rehearse(self, source: SourceFile) -> Report:
        """Check everything and write nothing."""
        _check_takes_csv(self.pipeline)
        with self.workspace.store.read() as session:
            held = task_groups.find_group(session, self.pipeline.id, self._seed_key(source))
            if held is not None:
                return self._report(group_id=held.id, already_seeded=held.task_count)
        intake = self._open(source, self.pipeline)
        created = sum(len(batch.rows) for batch in intake.batches())
        if not created or (intake.rejected and self._is_strict):
            return self.rejection(())
        return self._report(created=created, problems=intake.problems)

    def write(self, source: SourceFile) -> Report:
        """Make the group and its tasks in one transaction."""
        try:
            with self.workspace.store.write() as session:
                return self._write(session, source)
        except _RejectedRowsError:
            assert self.intake is not None  # noqa: S101
            for _ in self.intake.batches():
                pass
            return self.rejection(())

    def rejection(self, problems: Sequence[Problem]) -> Report:
        """Report that nothing was made: for the file's problems, those of its rows, or both."""
        found = self.intake.problems if self.intake is not None else []
        return self._report(problems=[*problems, *found], rejects_uri=self._keep_rejects())

    def _write(self, session: Session, source: SourceFile) -> Report:
        at = datetime.now(UTC)
        catalogue.reopen_if_completed(session, self.pipeline.id)
        pipeline = catalogue.lock_pipeline(session, self.pipeline.id)
        claim = task_groups.claim_group(
            session,
            pipeline_id=pipeline.id,
            kind=KIND,
            seed_key=self._seed_key(source),
            source=source.uri,
            at=at,
        )
        if not claim.is_new:
            return self._seen_before(session, claim, at)
        _check_takes_csv(pipeline)
        intake = self._open(source, pipeline)
        created = insert_tasks(
            session,
            self._accepted(intake),
            pipeline_id=pipeline.id,
            group_id=claim.group_id,
            status=initial_status(pipeline),
        )
        task_groups.complete_group(
            session, claim.group_id, task_count=created, rejected=intake.rejected
        )
        report = self._report(
            group_id=claim.group_id,
            created=created,
            problems=intake.problems,
            rejects_uri=self._keep_rejects(),
        )
        seeding_runs.save_report(session, self.run_id, report, at=at)
        return report

    def _accepted(self, intake: CsvIntake) -> Iterator[NewTasks]:
        """Yield what is written; raise as soon as it is clear that nothing may be."""
        for rows, values in intake.batches():
            if intake.rejected and self._is_strict:
                raise _RejectedRowsError
            yield NewTasks(rows, values)
        if not intake.good or (intake.rejected and self._is_strict):
            raise _RejectedRowsError

    def _seen_before(self, session: Session, claim: GroupClaim, at: datetime) -> Report:
        """Report the group that holds the content; the run that made it gets its own report."""
        earlier = seeding_runs.find_report(session, self.run_id)
        if earlier is not None and earlier.created and earlier.group_id == claim.group_id:
            return earlier
        report = self._report(group_id=claim.group_id, already_seeded=claim.task_count)
        seeding_runs.save_report(session, self.run_id, report, at=at)
        return report

    def _open(self, source: SourceFile, pipeline: Pipeline) -> CsvIntake:
        self.intake = self.resources.enter_context(
            CsvIntake(
                source,
                pipeline.dataset_fields,
                self.workspace.limits,
                delimiter=self.request.delimiter,
                encoding=self.request.encoding,
                on_progress=self.on_progress,
            )
        )
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

    @property
    def _is_strict(self) -> bool:
        return self.request.on_error is OnError.REJECT_FILE

    def _seed_key(self, source: SourceFile) -> str:
        """Say what may be seeded once: the content, or with ``allow_duplicate`` this run of it."""
        key = f"sha256:{source.sha256}"
        return f"{key} run:{self.run_id}" if self.request.allow_duplicate else key


def _check_takes_csv(pipeline: Pipeline) -> None:
    refusal = why_no_csv(pipeline)
    if refusal is not None:
        raise SourceProblemError(refusal)
