"""The flow that creates tasks from the rows of a dataset."""

from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.domain.statuses import OnError
from tasks_lib.steps.forms.parameters import (
    AcceptDrift,
    AllowShrink,
    BadRows,
    DatasetName,
    DryRun,
    FieldSources,
    Full,
    GroupLabels,
    GroupName,
    MaxRejected,
    NewMappingName,
    PipelineName,
    Reseed,
    Review,
    ReviewMinutes,
    SavedMappingName,
    SkippedFields,
)
from tasks_lib.steps.mapped_seeding import find_dataset, seed_from_source
from tasks_lib.steps.runs.flow import seeding_flow
from tasks_lib.steps.seeding import run_name


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return run_name("dataset", str(parameters["dataset"]), str(parameters["pipeline"]))


@seeding_flow("seed-from-dataset", _run_name)
def seed_from_dataset(
    pipeline: PipelineName,
    dataset: DatasetName,
    *,
    mapping: FieldSources = {},  # noqa: B006 - Prefect shows it in the run form; nothing changes it
    skip: SkippedFields = [],  # noqa: B006
    mapping_name: SavedMappingName = "",
    accept_drift: AcceptDrift = False,
    save_mapping: NewMappingName = "",
    review: Review = False,
    review_minutes: ReviewMinutes = 60,
    on_error: BadRows = OnError.REJECT_FILE,
    max_rejected: MaxRejected = "",
    dry_run: DryRun = False,
    reseed: Reseed = False,
    full: Full = False,
    allow_shrink: AllowShrink = False,
    name: GroupName = "",
    labels: GroupLabels = [],  # noqa: B006
) -> State[Any]:
    """Create one task for each row of the dataset that is not a task yet.

    Columns fill the fields of the same name, unless the mapping overrides it. Another run creates
    only new tasks; the report counts those that existed already.
    """
    return seed_from_source(
        find_dataset,
        pipeline=pipeline,
        source=dataset,
        mapping=mapping,
        skip=skip,
        review=review,
        review_minutes=review_minutes,
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
        labels=labels,
    )
