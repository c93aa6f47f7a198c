"""A pipeline without dataset fields gets blank tasks, as many as are asked for."""

from typing import Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from tasks_lib.operations.bulk_create import BulkRequest
from tasks_lib.steps.outcomes import ends_in_a_sentence
from tasks_lib.steps.parameters import BulkCount, DryRun, OnceKey, PipelineName
from tasks_lib.steps.seeding import create_blank_tasks, publish, run_name, seeding_run


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return run_name("bulk", str(parameters["count"]), str(parameters["pipeline"]))


@flow(name="bulk-create", flow_run_name=_run_name, persist_result=False)
@ends_in_a_sentence
def bulk_create(
    pipeline: PipelineName, count: BulkCount, key: OnceKey = "", dry_run: DryRun = False
) -> State[Any]:
    """Create blank tasks, all at once, for a pipeline in which nothing is predefined.

    A run that is tried again makes them once; with a key, so does any other run with that key.
    """
    request = BulkRequest(pipeline, count, key, dry_run)
    with seeding_run(pipeline) as run:
        return publish(run, create_blank_tasks(run, request))
