"""The steps of a seeding flow: fetch the source, load it, publish the result."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.utilities.urls import url_for

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.events import report_events
from tasks_lib.domain.names import STANDARD_INPUT, counted, display_name
from tasks_lib.domain.naming import Naming
from tasks_lib.domain.progress import OnProgress, Progress
from tasks_lib.domain.report import SourceRejectedError
from tasks_lib.errors import SeedingError, SourceProblemError, StorageUnavailableError, UsageError
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.seeding import bulk_create, reports, seed_from_csv, seed_from_zip
from tasks_lib.operations.seeding.bulk_create import BulkRequest
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.rejects import Rejects, read_rejects
from tasks_lib.operations.seeding.reports import Seeded, SeedingRequest
from tasks_lib.operations.seeding.seed_from_zip import Survey, ZipRequest
from tasks_lib.operations.seeding.stored_files import StoredFiles
from tasks_lib.operations.upkeep import announcing
from tasks_lib.operations.uploads.process import hold_upload
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps.artifacts import publish_artifacts, showing_progress
from tasks_lib.steps.prefect_api import deployment_around
from tasks_lib.steps.runs.outcomes import completed_state, run_logger, step
from tasks_lib.steps.runs.workspace import open_configured_workspace
from tasks_lib.transport.fetch import SourceFile, fetch
from tasks_lib.transport.temporary import temporary_folder


@dataclass(frozen=True)
class SeedingRun:
    """One flow run: its workspace and pipeline, and the resources that last as long as the run.

    ``started`` is the monotonic clock's reading at the run's start.
    """

    id: str
    workspace: Workspace
    pipeline: Pipeline
    naming: Naming
    folder: Path
    resources: ExitStack
    started: float
    note: OnProgress

    @contextmanager
    def progress(self, source: str) -> Iterator[OnProgress]:
        """Yield a function that shows the progress in Prefect, and saves it for an upload."""
        with showing_progress(source) as artifact:

            def show(progress: Progress) -> None:
                artifact(progress)
                self.note(progress)

            yield show


@contextmanager
def seeding_run(
    request: SeedingRequest, upload: str = "", *, act: str = ""
) -> Iterator[SeedingRun]:
    """Open the configured workspace, and find the request's pipeline in it.

    For an upload over the HTTP API the run has the upload's id, and holds the upload; for one act
    of a larger flow it has the act's id. Where the block raises SourceProblemError, its report is
    recorded and published, and SourceRejectedError is raised instead, with a note about the rows:
    this is the one place where flows deal with rejections.
    """
    rejected: Seeded | None = None
    with _open_run(request, upload, act) as run:
        try:
            yield run
        except SourceProblemError as error:
            rejected = record_rejection(run, request, error)
            publish_result(run, rejected)
    if rejected is not None:
        failure = SourceRejectedError(rejected.report)
        if rejected.rows_read:
            failure.add_note(f"{_describe_rows(rejected)}.")
        raise failure


@contextmanager
def _open_run(request: SeedingRequest, upload: str, act: str) -> Iterator[SeedingRun]:
    with (
        open_configured_workspace() as workspace,
        temporary_folder() as folder,
        ExitStack() as resources,
    ):
        started = time.monotonic()
        note = resources.enter_context(hold_upload(workspace.store, upload)) if upload else _ignore
        yield SeedingRun(
            id=upload or act or runtime.flow_run.id or str(uuid4()),
            workspace=replace(workspace, run_url=_find_page()),
            pipeline=find_pipeline(workspace.store, request.pipeline),
            naming=request.naming,
            folder=folder,
            resources=resources,
            started=started,
            note=note,
        )


def _find_page() -> str | None:
    """Return the URL of this flow run in the Prefect UI, if a server is configured."""
    flow_run_id = runtime.flow_run.id
    return url_for("flow-run", flow_run_id) if flow_run_id is not None else None


def scheduled_key() -> str:
    """Return an idempotency key for the run's scheduled time; empty if no schedule started the run.

    A run is not enough: a deployment that is registered again, just when a run is due, gets a
    second run for the same time.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or not run.auto_scheduled or run.expected_start_time is None:
        return ""
    return f"scheduled {run.expected_start_time.astimezone(UTC).isoformat()} {run.deployment_id}"


def _ignore(_: Progress) -> None:
    """Ignore the progress of a run that is not an upload's."""


def run_name(verb: str, source: str, pipeline: str) -> str:
    """Return ``csv reviews.csv -> acme/reviews/label-reviews``; an id is looked up."""
    return f"{verb} {display_name(source)} -> {pipeline_path(pipeline)}"


def pipeline_path(pipeline: str) -> str:
    """Return the path of a pipeline, which can be given by its id."""
    if not pipeline.isdecimal():
        return pipeline
    try:
        with open_configured_workspace() as workspace:
            return find_pipeline(workspace.store, pipeline).path
    except SeedingError:
        return pipeline  # the run itself fails with a sentence


@step("fetch source")
def fetch_source(run: SeedingRun, source: str) -> SourceFile:
    """Copy the source to this machine, unless it is a local file, and hash it."""
    check_reaches_worker(source)
    return fetch(source, run.folder, run.workspace.limits)


def check_reaches_worker(source: str) -> None:
    """Raise UsageError for standard input in a run of a deployment, whose worker has none."""
    if source == STANDARD_INPUT and runtime.deployment.id is not None:
        raise UsageError("a worker has no standard input to read; give a path or a URL")


@step("load rows")
def load_csv(run: SeedingRun, request: CsvRequest, source: SourceFile) -> Seeded:
    """Check the rows and create their tasks, in one transaction."""
    with run.progress(request.source) as on_progress:
        return seed_from_csv.load_csv(
            run.workspace, run.pipeline, request, source, run_id=run.id, on_progress=on_progress
        )


@step("survey archive")
def survey_zip(run: SeedingRun, request: ZipRequest) -> Survey:
    """Read the archive's directory and its CSV, without copying the archive."""
    check_reaches_worker(request.source)
    return seed_from_zip.survey_zip(run.workspace, run.pipeline, request, run.folder, run.resources)


@step("store files")
def store_files(run: SeedingRun, request: ZipRequest, survey: Survey) -> StoredFiles:
    """Store the files that the rows name, by their content."""
    with run.progress(request.source) as on_progress:
        files = seed_from_zip.store_named_files(
            run.workspace, request, survey, on_progress=on_progress
        )
    run_logger().info("%s read", counted(len(files), "file"))
    return files


@step("load rows")
def load_zip(run: SeedingRun, request: ZipRequest, survey: Survey, files: StoredFiles) -> Seeded:
    """Check the rows and create their tasks, in one transaction."""
    return seed_from_zip.load_zip(
        run.workspace, run.pipeline, request, survey, files, run_id=run.id
    )


@step("create blank tasks")
def create_blank_tasks(run: SeedingRun, request: BulkRequest) -> Seeded:
    """Create the tasks in one statement."""
    return bulk_create.load_blank_tasks(run.workspace, run.pipeline, request, run_id=run.id)


@step("record rejection")
def record_rejection(run: SeedingRun, request: SeedingRequest, error: SourceProblemError) -> Seeded:
    """Save the report of the rejection for the run, unless it is a dry run."""
    return reports.record_rejection(run.workspace, run.pipeline, request, error, run_id=run.id)


def publish(run: SeedingRun, seeded: Seeded) -> State[Any]:
    """Publish a committed seeding by artifacts and an event; return the run's end state."""
    publish_result(run, seeded)
    return completed_state(seeded.report.sentence, seeded.report.model_dump(mode="json"))


def publish_result(run: SeedingRun, seeded: Seeded) -> None:
    """Publish a committed seeding by artifacts and an event."""
    for warning in seeded.warnings:
        run_logger().warning(warning)
    report = seeded.report
    if not report.is_rejection:  # else the error that fails the run has this as its note
        level = logging.WARNING if report.rejected else logging.INFO
        run_logger().log(level, _describe_rows(seeded))
    seconds = time.monotonic() - run.started
    publish_artifacts(seeded, _find_rejects(run, seeded), seconds, run.naming)
    if report.dry_run:
        reports.record_report(run.workspace, run.id, report)
        return
    events = report_events(run.pipeline, report, run.id, run.workspace.run_url, run.naming)
    deployment = deployment_around() if events else []
    for event in events:
        emit_event(**event._replace(related=event.related + deployment)._asdict())
    if events:
        announcing.mark_announced(run.workspace.store, run.id)


def _find_rejects(run: SeedingRun, seeded: Seeded) -> Rejects | None:
    """Return the rejected rows, None if there are none or if the storage has just gone away."""
    uri = seeded.report.rejects_uri
    if uri is None:
        return None
    try:
        return read_rejects(run.workspace, uri, seeded.dialect)
    except StorageUnavailableError as error:
        run_logger().warning("%s; the rejected rows are not shown", error)
        return None


def _describe_rows(seeded: Seeded) -> str:
    """Return ``399 rows read, 174 tasks created, 225 rows rejected; rejects at file:///...``."""
    report = seeded.report
    parts = [
        f"{counted(seeded.rows_read, 'row')} read",
        f"{counted(report.created, 'task')} {'would be ' if report.dry_run else ''}created",
    ]
    if report.already_seeded:
        parts.append(f"{report.already_seeded:,} already seeded")
    if report.changed:
        parts.append(f"{report.changed:,} with other values")
    if report.rejected:
        parts.append(f"{counted(report.rejected, 'row')} rejected")
    place = f"; rejects at {report.rejects_uri}" if report.rejects_uri is not None else ""
    return f"{', '.join(parts)}{place}"
