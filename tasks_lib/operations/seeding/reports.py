"""The result of a seeding, its report in the store, and the recording of a rejection."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.mapping.plans import Plan
from tasks_lib.domain.naming import UNNAMED, Naming
from tasks_lib.domain.report import MAX_INLINE_ERRORS, Report, ReportError, problems_of
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect
from tasks_lib.errors import SourceProblemError
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.groups import task_groups

OWN_ANNOUNCEMENT: Final = timedelta(minutes=1)
"""How long a flow has to announce its report to Prefect before ``reconcile`` does it."""


class Seeded(NamedTuple):
    """A seeding's report, its pipeline, and the facts that the report does not hold.

    ``dialect`` is that of the rejects file.
    """

    pipeline: Pipeline
    report: Report
    rows_read: int = 0
    blank_lines: int = 0
    files: int = 0
    warnings: tuple[str, ...] = ()
    plan: Plan | None = None
    dialect: Dialect = DEFAULT_DIALECT


class SeedingRequest(Protocol):
    """The members that all requests for a seeding have."""

    @property
    def pipeline(self) -> str:
        """The pipeline's path or id."""
        ...

    @property
    def source(self) -> str:
        """The source's name."""
        ...

    @property
    def dry_run(self) -> bool:
        """Whether to check everything and write nothing."""
        ...

    @property
    def naming(self) -> Naming:
        """The name and the labels of the group."""
        ...


class LoadRejectedError(SourceProblemError):
    """A load created nothing; ``seeded`` holds the report and counts what was read."""

    def __init__(self, seeded: Seeded) -> None:
        report = seeded.report
        super().__init__(*problems_of(report.errors), message=report.sentence)
        self.seeded = seeded


def seed(
    workspace: Workspace,
    request: SeedingRequest,
    load: Callable[[Pipeline], Seeded],
    *,
    run_id: str,
) -> Seeded:
    """Find the pipeline and load its tasks, or return the report of the rejection.

    Raises NotFoundError for the pipeline, and what ``load`` raises besides SourceProblemError.
    """
    with workspace.store.read() as session:
        pipeline = catalogue.find_pipeline(session, request.pipeline)
    try:
        return load(pipeline)
    except SourceProblemError as error:
        return record_rejection(workspace, pipeline, request, error, run_id=run_id)


def record_rejection(
    workspace: Workspace,
    pipeline: Pipeline,
    request: SeedingRequest,
    error: SourceProblemError,
    *,
    run_id: str,
) -> Seeded:
    """Return the report of a rejection, and save it for the run unless it is a dry run."""
    if isinstance(error, LoadRejectedError):
        seeded = error.seeded
    else:
        shown = error.problems[:MAX_INLINE_ERRORS]
        report = Report(
            pipeline_id=pipeline.id,
            dry_run=request.dry_run,
            source=request.source,
            errors=tuple(ReportError.of(problem) for problem in shown),
        )
        seeded = Seeded(pipeline, report)
    if not seeded.report.dry_run:
        record_report(workspace, run_id, seeded.report, request.naming)
    return seeded


def record_report(
    workspace: Workspace, run_id: str, report: Report, naming: Naming = UNNAMED
) -> None:
    """Save the report of a run that created nothing, so that it can be found by the run's id."""
    with workspace.store.write() as session:
        save_report(session, workspace, run_id, report, naming)


def save_report(
    session: Session, workspace: Workspace, run_id: str, report: Report, naming: Naming
) -> None:
    """Save the report of a run in its transaction, to be announced to Prefect if it is news."""
    at = workspace.store.now()
    task_groups.save_report(
        session,
        run_id,
        report,
        at=at,
        run_url=workspace.run_url,
        announce_at=at + OWN_ANNOUNCEMENT if report.is_news else None,
        naming=naming,
    )


def report_again(
    session: Session, workspace: Workspace, known: Report, run_id: str, naming: Naming
) -> Report:
    """Return the report of a run whose group exists: its own if this run has created the group."""
    earlier = task_groups.find_report(session, run_id)
    if earlier is not None and earlier.has_written and earlier.group_id == known.group_id:
        return earlier
    save_report(session, workspace, run_id, known, naming)
    return known
