"""Catches up on what was left undone; runs on a schedule."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks_lib.steps.outcomes import ends_in_a_sentence
from tasks_lib.steps.parameters import CleansUp
from tasks_lib.steps.upkeep import catch_up, finished


@flow(name="reconcile", persist_result=False)
@ends_in_a_sentence
def reconcile(clean_up: CleansUp = True) -> State[Any]:
    """Release expired claims, fire chains, tell Prefect the news, and clean up stored files.

    May run at any time, beside seedings and beside itself.
    """
    return finished(catch_up(cleans_up=clean_up))
