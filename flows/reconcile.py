"""The upkeep flow, which runs on a schedule."""

from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.steps.forms.parameters import CleansUp, TakesOver, UpkeepMinutes
from tasks_lib.steps.runs.flow import seeding_flow
from tasks_lib.steps.upkeep import reconcile as upkeep


def _run_name() -> str:
    return f"upkeep {runtime.flow_run.scheduled_start_time:%H:%M}"


@seeding_flow("reconcile", _run_name)
def reconcile(
    *, clean_up: CleansUp = True, minutes: UpkeepMinutes = 0, takes_over: TakesOver = ""
) -> State[Any]:
    """Release expired claims, fire chains, publish pending events, delete old tasks and files.

    With minutes, one run stays and repeats this; otherwise it does it once. You can run it at any
    time, also while seedings or another run of it are running.
    """
    if minutes:
        return upkeep.stayed_state(upkeep.keep_up(minutes, takes_over, cleans_up=clean_up))
    return upkeep.end_state(upkeep.reconcile(cleans_up=clean_up))
