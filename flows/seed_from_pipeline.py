"""Each finished task of a pipeline becomes a task of another one."""

from typing import Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.mapped_seeding import MappedRequest
from tasks_lib.steps.mapped_seeding import find_source_pipeline, seed_mapped
from tasks_lib.steps.outcomes import ends_in_a_sentence
from tasks_lib.steps.parameters import (
    AcceptDrift,
    BadRows,
    DryRun,
    FieldSources,
    NewMappingName,
    PipelineName,
    Reseed,
    Review,
    ReviewMinutes,
    SavedMappingName,
    SkippedFields,
    SourcePipelineName,
)
from tasks_lib.steps.seeding import pipeline_path, run_name


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    source = pipeline_path(str(parameters["source_pipeline"]))
    return run_name("pipeline", source, str(parameters["pipeline"]))


@flow(name="seed-from-pipeline", flow_run_name=_run_name, persist_result=False)
@ends_in_a_sentence
def seed_from_pipeline(
    pipeline: PipelineName,
    source_pipeline: SourcePipelineName,
    mapping: FieldSources = {},  # noqa: B006 - Prefect shows it in the run form; nobody changes it
    skip: SkippedFields = [],  # noqa: B006
    review: Review = False,
    review_minutes: ReviewMinutes = 60,
    on_error: BadRows = OnError.REJECT_FILE,
    dry_run: DryRun = False,
    reseed: Reseed = False,
    mapping_name: SavedMappingName = "",
    save_mapping: NewMappingName = "",
    accept_drift: AcceptDrift = False,
) -> State[Any]:
    """Create one task for each finished task of the source pipeline that is not a task yet.

    Columns fill the fields of the same name, unless the mapping says otherwise. Run again, it makes
    what is new; the report says how many were there already.
    """
    request = MappedRequest(
        pipeline,
        source_pipeline,
        mapping,
        tuple(skip),
        on_error,
        dry_run,
        reseed,
        mapping_name,
        save_mapping,
        accept_drift,
    )
    return seed_mapped(
        request, find_source_pipeline, review_minutes=review_minutes if review else None
    )
