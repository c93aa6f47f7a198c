"""The flow that creates blank tasks in a pipeline without dataset fields."""

from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.operations.seeding.bulk_create import BulkRequest
from tasks_lib.steps.forms.parameters import (
    BulkCount,
    BulkKey,
    DryRun,
    GroupLabels,
    GroupName,
    PipelineName,
)
from tasks_lib.steps.runs.flow import seeding_flow
from tasks_lib.steps.seeding import (
    create_blank_tasks,
    publish,
    run_name,
    scheduled_key,
    seeding_run,
)


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return run_name("bulk", str(parameters["count"]), str(parameters["pipeline"]))


@seeding_flow("bulk-create", _run_name)
def bulk_create(
    pipeline: PipelineName,
    count: BulkCount,
    *,
    dry_run: DryRun = False,
    key: BulkKey = "",
    name: GroupName = "",
    labels: GroupLabels = [],  # noqa: B006 - shown in the run form; nothing changes it
) -> State[Any]:
    """Create blank tasks, all at once, in a pipeline without dataset fields.

    A retried run creates them once. With a key, all runs with that key together create them once;
    so do all runs of a deployment for the same scheduled time.
    """
    key = key or scheduled_key()
    request = BulkRequest(
        pipeline=pipeline, count=count, key=key, dry_run=dry_run, name=name, labels=tuple(labels)
    )
    with seeding_run(request) as run:
        return publish(run, create_blank_tasks(run, request))
