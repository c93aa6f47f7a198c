"""The sensor: as contributors claim tasks, new ones are made, so that some are available."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks_lib.steps.infinite import finished, top_up_once, watch
from tasks_lib.steps.outcomes import ends_in_a_sentence
from tasks_lib.steps.parameters import Once, SensorMinutes, TakesOver


@flow(name="infinite-seeding", persist_result=False)
@ends_in_a_sentence
def infinite_seeding(
    once: Once = False, minutes: SensorMinutes = 60, takes_over: TakesOver = ""
) -> State[Any]:
    """Watch claims and top up every pipeline that infinite seeding is enabled for.

    One run watches at a time; the next one is started before it ends. May be started at any time.
    """
    return finished(top_up_once() if once else watch(minutes, takes_over))
