"""The steps of a seeding flow: fetch the source, load it, publish what came of it."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar
from uuid import uuid4

from prefect import runtime, task
from prefect.client.schemas.objects import State
from prefect.events import emit_event

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.events import group_event
from tasks_lib.domain.names import display_name
from tasks_lib.domain.problems import SourceProblemError
from tasks_lib.errors import SeedingError
from tasks_lib.intake.progress import OnProgress, Progress
from tasks_lib.intake.sources import SourceFile
from tasks_lib.operations import (
    announcing,
    bulk_create,
    loading,
    queries,
    seed_from_csv,
    seed_from_zip,
)
from tasks_lib.operations.bulk_create import BulkRequest
from tasks_lib.operations.file_sources import CsvRequest
from tasks_lib.operations.loading import Seeded
from tasks_lib.operations.seed_from_zip import Survey, ZipRequest
from tasks_lib.operations.stored_files import StoredFiles
from tasks_lib.operations.upload_processing import attended
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.artifacts import ProgressArtifact, publish_artifacts
from tasks_lib.steps.outcomes import TRIED_AGAIN, state_of
from tasks_lib.steps.secret_blocks import read_secret

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class SeedingRun:
    """One flow run: what it works on, the pipeline that it seeds, and what lasts as long as it.

    ``started`` is the monotonic clock's reading at its beginning.
    """

    id: str
    workspace: Workspace
    pipeline: Pipeline
    folder: Path
    resources: ExitStack
    started: float
    note: OnProgress

    @contextmanager
    def progress(self, source: str) -> Iterator[OnProgress]:
        """Yield what draws the progress in Prefect, and notes it where an upload is asked for."""
        drawn = ProgressArtifact(source)

        def tell(progress: Progress) -> None:
            drawn(progress)
            self.note(progress)

        yield tell
        drawn.finish()


@contextmanager
def seeding_run(pipeline: str, upload: str = "") -> Iterator[SeedingRun]:
    """Open the workspace that the environment names, and find the pipeline in it.

    For an upload of the External API the run has its id, and holds it.
    """
    with (
        open_workspace(read_settings(), read_secret) as workspace,
        TemporaryDirectory(prefix="seeding-") as folder,
        ExitStack() as resources,
    ):
        started = time.monotonic()
        note = resources.enter_context(attended(workspace.store, upload)) if upload else _nothing
        found = queries.find_pipeline(workspace.store, pipeline)
        run_id = upload or runtime.flow_run.id or str(uuid4())
        yield SeedingRun(run_id, workspace, found, Path(folder), resources, started, note)


def _nothing(_: Progress) -> None:
    """Take what nobody asks for."""


def run_name(verb: str, source: str, pipeline: str) -> str:
    """Return ``csv reviews.csv -> acme/reviews/label-reviews``; a number is looked up."""
    return f"{verb} {display_name(source)} -> {pipeline_path(pipeline)}"


def pipeline_path(pipeline: str) -> str:
    """Return the path of a pipeline, which may be named by its number."""
    if not pipeline.isdecimal():
        return pipeline
    try:
        with open_workspace(read_settings()) as workspace:
            return queries.find_pipeline(workspace.store, pipeline).path
    except SeedingError:
        return pipeline  # the run itself will say what is wrong, in a sentence


@task(task_run_name="fetch source", **TRIED_AGAIN)
def fetch_source(run: SeedingRun, source: str) -> SourceFile | SourceProblemError:
    """Bring the source to this machine, unless it is here, and hash it."""
    return seed_from_csv.fetch_source(source, run.folder, run.workspace.limits)


@task(task_run_name="load rows", **TRIED_AGAIN)
def load_csv(
    run: SeedingRun, request: CsvRequest, source: SourceFile | SourceProblemError
) -> Seeded:
    """Check the rows and make their tasks, in one transaction."""
    with run.progress(request.source) as on_progress:
        return seed_from_csv.load_csv(
            run.workspace, run.pipeline, request, source, run_id=run.id, on_progress=on_progress
        )


class Held(Generic[T]):
    """What one step hands to the next; Prefect would walk through all of it, twice."""

    def __init__(self, value: T) -> None:
        self.value = value


@task(task_run_name="survey archive", **TRIED_AGAIN)
def survey_zip(run: SeedingRun, request: ZipRequest) -> Held[Survey | SourceProblemError]:
    """Read the archive's directory and its CSV, where the archive lies."""
    return Held(
        seed_from_zip.survey_zip(run.workspace, run.pipeline, request, run.folder, run.resources)
    )


@task(task_run_name="store files", **TRIED_AGAIN)
def store_files(
    run: SeedingRun, request: ZipRequest, survey: Held[Survey | SourceProblemError]
) -> Held[StoredFiles | SourceProblemError]:
    """Store the files that the rows name, by their content."""
    with run.progress(request.source) as on_progress:
        files = seed_from_zip.store_named_files(
            run.workspace, request, survey.value, on_progress=on_progress
        )
    return Held(files)


@task(task_run_name="load rows", **TRIED_AGAIN)
def load_zip(
    run: SeedingRun,
    request: ZipRequest,
    survey: Held[Survey | SourceProblemError],
    files: Held[StoredFiles | SourceProblemError],
) -> Seeded:
    """Check the rows and make their tasks, in one transaction."""
    return seed_from_zip.load_zip(
        run.workspace, run.pipeline, request, survey.value, files.value, run_id=run.id
    )


@task(task_run_name="create blank tasks", **TRIED_AGAIN)
def create_blank_tasks(run: SeedingRun, request: BulkRequest) -> Seeded:
    """Make the tasks in one statement."""
    return bulk_create.bulk_create(run.workspace, request, run_id=run.id)


def publish(run: SeedingRun, seeded: Seeded) -> State[Any]:
    """Tell of what was committed, by artifacts and an event; return the run's end state."""
    for warning in seeded.warnings:
        logger.warning(warning)
    publish_artifacts(seeded, time.monotonic() - run.started)
    report, store = seeded.report, run.workspace.store
    if report.dry_run:
        loading.record_report(run.workspace, run.id, report)
    elif report.is_rejection:
        emit_event(**group_event(run.pipeline, report, run.id)._asdict())
    elif report.created and report.group_id is not None:
        emit_event(**announcing.created_event(store, run.pipeline, report)._asdict())
        announcing.mark_announced(store, report.group_id)
    return state_of(report)
