"""The steps of a seeding flow: fetch the source, load it, publish what came of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.events import emit_event

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.events import group_event
from tasks_lib.domain.names import display_name
from tasks_lib.domain.problems import SourceProblemError
from tasks_lib.errors import SeedingError
from tasks_lib.intake.sources import SourceFile
from tasks_lib.operations import queries, seed_from_csv
from tasks_lib.operations.seed_from_csv import CsvRequest, Seeded
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.artifacts import ProgressArtifact, publish_artifacts
from tasks_lib.steps.outcomes import state_of


@dataclass(frozen=True)
class SeedingRun:
    """One flow run: what it works on, the pipeline that it seeds, and a folder for its files."""

    id: str
    workspace: Workspace
    pipeline: Pipeline
    folder: Path


@contextmanager
def seeding_run(pipeline: str) -> Iterator[SeedingRun]:
    """Open the workspace that the environment names, and find the pipeline in it."""
    with (
        open_workspace(read_settings()) as workspace,
        TemporaryDirectory(prefix="seeding-") as folder,
    ):
        found = queries.find_pipeline(workspace.store, pipeline)
        yield SeedingRun(runtime.flow_run.id or str(uuid4()), workspace, found, Path(folder))


def run_name(verb: str, source: str, pipeline: str) -> str:
    """Return ``csv reviews.csv -> acme/reviews/label-reviews``; a number is looked up."""
    if pipeline.isdecimal():
        try:
            with open_workspace(read_settings()) as workspace:
                pipeline = queries.find_pipeline(workspace.store, pipeline).path
        except SeedingError:
            pass  # the run itself will say so, in a sentence
    return f"{verb} {display_name(source)} -> {pipeline}"


@task(
    task_run_name="fetch source",
    retries=3,
    retry_delay_seconds=[1, 5, 20],
    cache_policy=NO_CACHE,
    persist_result=False,
)
def fetch_source(run: SeedingRun, source: str) -> SourceFile | SourceProblemError:
    """Bring the source to this machine, unless it is here, and hash it."""
    return seed_from_csv.fetch_source(source, run.folder, run.workspace.limits)


@task(
    task_run_name="load rows",
    retries=3,
    retry_delay_seconds=[1, 5, 20],
    cache_policy=NO_CACHE,
    persist_result=False,
)
def load_csv(
    run: SeedingRun, request: CsvRequest, source: SourceFile | SourceProblemError
) -> tuple[Seeded, float]:
    """Check the rows and make their tasks, in one transaction; return also the seconds it took."""
    progress = ProgressArtifact(request.source)
    started = time.monotonic()
    seeded = seed_from_csv.load_csv(
        run.workspace, run.pipeline, request, source, run_id=run.id, on_progress=progress
    )
    progress.finish()
    return seeded, time.monotonic() - started


def publish(run: SeedingRun, seeded: Seeded, seconds: float) -> State[Any]:
    """Tell of what was committed, by artifacts and an event; return the run's end state."""
    publish_artifacts(seeded, seconds)
    report = seeded.report
    if report.dry_run:
        seed_from_csv.record_report(run.workspace, run.id, report)
    elif report.created or report.is_rejection:
        emit_event(**group_event(run.pipeline, report, run.id)._asdict())
    return state_of(report)
