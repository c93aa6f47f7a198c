"""Delete the finished runs of upkeep, which nobody looks at again."""

from datetime import timedelta
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
)

from tasks_lib.steps.prefect_api import check_server, translate_errors

DEPLOYMENTS: Final = ("reconcile", "infinite-seeding")
_RUNS_AT_ONCE: Final = 200


def delete_old_runs(age: timedelta) -> int:
    """Delete the runs of upkeep that ended more than ``age`` ago, two hundred at most.

    Their states and task runs go with them. Returns their number; raises PrefectUnavailableError.
    """
    before = check_server() - age
    with get_client(sync_client=True) as client, translate_errors():
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=list(DEPLOYMENTS))),
            flow_run_filter=FlowRunFilter(end_time=FlowRunFilterEndTime(before_=before)),
            limit=_RUNS_AT_ONCE,
        )
        for run in runs:
            client.delete_flow_run(run.id)
    return len(runs)
