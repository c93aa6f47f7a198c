"""The sensor flow, which creates tasks as contributors claim them, so that some are available."""

from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.steps.forms.parameters import Once, SensorMinutes, TakesOver
from tasks_lib.steps.infinite import end_state, top_up_once, watch
from tasks_lib.steps.runs.flow import seeding_flow


def _run_name() -> str:
    return f"watch claims {runtime.flow_run.scheduled_start_time:%H:%M}"


@seeding_flow("infinite-seeding", _run_name)
def infinite_seeding(
    once: Once = False, minutes: SensorMinutes = 60, takes_over: TakesOver = ""
) -> State[Any]:
    """Watch claims, and top up every pipeline for which infinite seeding is enabled.

    One run watches at a time and starts its successor. You can start the flow at any time.
    """
    return end_state(top_up_once() if once else watch(minutes, takes_over))
