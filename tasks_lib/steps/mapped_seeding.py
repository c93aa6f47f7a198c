"""The steps of seeding from a dataset or another pipeline: refresh, plan, review, load."""

from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State

from tasks_lib.domain.mapping import Plan
from tasks_lib.domain.problems import SourceProblemError
from tasks_lib.operations import loading, mapped_seeding, seed_from_dataset, seed_from_pipeline
from tasks_lib.operations.loading import Seeded
from tasks_lib.operations.mapped_seeding import MappedRequest, MappedSource
from tasks_lib.operations.seed_from_dataset import DatasetSource
from tasks_lib.steps.artifacts import ProgressArtifact, publish_plan
from tasks_lib.steps.outcomes import TRIED_AGAIN
from tasks_lib.steps.review import review
from tasks_lib.steps.seeding import Held, SeedingRun, publish, seeding_run

SECONDS_A_MINUTE = 60
_FindSource = Callable[[SeedingRun, MappedRequest], MappedSource | SourceProblemError]


def seed_mapped(
    request: MappedRequest, find_source: _FindSource, *, review_minutes: int | None
) -> State[Any]:
    """Carry out a seeding from ``find_source``; with ``review_minutes`` a person agrees first."""
    with seeding_run(request.pipeline) as run:
        source = find_source(run, request)
        if isinstance(source, SourceProblemError):
            rejected = loading.load_rows(
                run.workspace, run.pipeline, request, source, run_id=run.id
            )
            return publish(run, rejected)
        plan = plan_mapping(run, source, request)
        if review_minutes is not None:
            request, plan = review_mapping(run, source, request, plan, minutes=review_minutes)
        return publish(run, load_mapped(run, source, request, plan))


def find_dataset(run: SeedingRun, request: MappedRequest) -> MappedSource | SourceProblemError:
    """Return the dataset of the pipeline's organization, with what is new in its query."""
    found = seed_from_dataset.find_source(run.workspace, run.pipeline, request.source)
    return refresh_dataset(run, found, request).value if found.is_query else found


def find_source_pipeline(run: SeedingRun, request: MappedRequest) -> MappedSource:
    """Return the pipeline whose finished tasks are seeded."""
    return seed_from_pipeline.find_source(run.workspace, run.pipeline, request.source)


@task(task_run_name="refresh dataset", **TRIED_AGAIN)
def refresh_dataset(
    run: SeedingRun, source: DatasetSource, request: MappedRequest
) -> Held[DatasetSource | SourceProblemError]:
    """Take in what is new in the dataset's query; a rehearsal only reads it."""
    try:
        return Held(
            seed_from_dataset.refreshed(
                run.workspace, source, run.resources, dry_run=request.dry_run
            )
        )
    except SourceProblemError as error:
        return Held(error)


@task(task_run_name="plan mapping", **TRIED_AGAIN)
def plan_mapping(run: SeedingRun, source: MappedSource, request: MappedRequest) -> Plan:
    """Decide which column fills which field, and show it on the run's page."""
    plan = mapped_seeding.plan_seeding(run.workspace, run.pipeline, source, request)
    publish_plan(plan)
    return plan


def review_mapping(
    run: SeedingRun, source: MappedSource, request: MappedRequest, plan: Plan, *, minutes: int
) -> tuple[MappedRequest, Plan]:
    """Let a person change the mapping, and show what it was changed to."""
    agreed, plan = review(
        plan,
        request,
        lambda changed: mapped_seeding.plan_seeding(run.workspace, run.pipeline, source, changed),
        timeout_seconds=SECONDS_A_MINUTE * minutes,
    )
    publish_plan(plan)
    return agreed, plan


@task(task_run_name="load rows", **TRIED_AGAIN)
def load_mapped(
    run: SeedingRun, source: MappedSource, request: MappedRequest, plan: Plan
) -> Seeded:
    """Make a task of each row that is not one yet, in one transaction."""
    progress = ProgressArtifact(request.source)
    seeded = mapped_seeding.seed_mapped(
        run.workspace, run.pipeline, source, request, plan, run_id=run.id, on_progress=progress
    )
    progress.finish()
    return seeded
