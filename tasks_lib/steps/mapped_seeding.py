"""The steps of seeding from a dataset or another pipeline: refresh, plan, review, load."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from prefect.client.schemas.objects import State

from tasks_lib.domain.mapping.plans import Plan
from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.seeding import mapped_seeding, seed_from_dataset, seed_from_pipeline
from tasks_lib.operations.seeding.mapped_seeding import MappedRequest, MappedSource
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.operations.seeding.seed_from_dataset import DatasetSource
from tasks_lib.steps.artifacts import publish_plan
from tasks_lib.steps.forms.choices import refresh_choices
from tasks_lib.steps.review import review_plan
from tasks_lib.steps.runs.outcomes import step
from tasks_lib.steps.seeding import SeedingRun, publish, seeding_run

SECONDS_A_MINUTE: Final = 60
FindSource = Callable[[SeedingRun, MappedRequest], MappedSource]


def seed_from_source(
    find_source: FindSource,
    *,
    pipeline: str,
    source: str,
    mapping: Mapping[str, str],
    skip: Sequence[str],
    review: bool,
    review_minutes: int,
    on_error: OnError,
    max_rejected: str,
    dry_run: bool,
    reseed: bool,
    full: bool,
    allow_shrink: bool,
    mapping_name: str,
    save_mapping: str,
    accept_drift: bool,
    name: str,
    labels: Sequence[str],
) -> State[Any]:
    """Run the steps that the mapped flows have in common.

    Prefect reads a run form from a flow's own signature, so the flows repeat the parameters.
    """
    request = MappedRequest(
        pipeline=pipeline,
        source=source,
        mapping=mapping,
        skip=tuple(skip),
        on_error=on_error,
        max_rejected=max_rejected,
        dry_run=dry_run,
        reseed=reseed,
        full=full,
        allow_shrink=allow_shrink,
        mapping_name=mapping_name,
        save_mapping=save_mapping,
        accept_drift=accept_drift,
        name=name,
        labels=tuple(labels),
    )
    with seeding_run(request) as run:
        rows = find_source(run, request)
        plan = plan_mapping(run, rows, request)
        if review:
            request, plan = review_mapping(run, rows, request, plan, minutes=review_minutes)
        seeded = load_mapped(run, rows, request, plan)
        if save_mapping:
            refresh_choices(run.workspace.store)
        return publish(run, seeded)


def find_dataset(run: SeedingRun, request: MappedRequest) -> MappedSource:
    """Return the dataset of the pipeline's organization, with the new rows of its query."""
    source = seed_from_dataset.find_source(run.workspace, run.pipeline, request.source)
    return refresh_dataset(run, source, request) if source.query is not None else source


def find_source_pipeline(run: SeedingRun, request: MappedRequest) -> MappedSource:
    """Return the pipeline whose finished tasks are seeded."""
    return seed_from_pipeline.find_source(run.workspace, run.pipeline, request.source)


@step("refresh dataset")
def refresh_dataset(
    run: SeedingRun, source: DatasetSource, request: MappedRequest
) -> DatasetSource:
    """Import the rows of the dataset's query; a dry run only reads them."""
    return seed_from_dataset.refresh_source(run.workspace, source, request, run.resources)


@step("plan mapping")
def plan_mapping(run: SeedingRun, source: MappedSource, request: MappedRequest) -> Plan:
    """Decide which column fills which field, and show it on the run's page."""
    plan = mapped_seeding.plan_seeding(run.workspace, run.pipeline, source, request)
    publish_plan(plan)
    return plan


def review_mapping(
    run: SeedingRun, source: MappedSource, request: MappedRequest, plan: Plan, *, minutes: int
) -> tuple[MappedRequest, Plan]:
    """Let a person change the mapping, and show the result on the run's page."""
    agreed, plan = review_plan(
        plan,
        request,
        lambda changed: mapped_seeding.plan_seeding(run.workspace, run.pipeline, source, changed),
        timeout_seconds=SECONDS_A_MINUTE * minutes,
    )
    publish_plan(plan)
    return agreed, plan


@step("load rows")
def load_mapped(
    run: SeedingRun, source: MappedSource, request: MappedRequest, plan: Plan
) -> Seeded:
    """Create a task from each row that is not a task yet, in one transaction."""
    with run.progress(request.source) as on_progress:
        return mapped_seeding.seed_mapped(
            run.workspace,
            run.pipeline,
            source,
            request,
            plan,
            run_id=run.id,
            on_progress=on_progress,
        )
