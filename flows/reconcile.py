"""Catches up on what was left undone; runs on a schedule."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks_lib.steps.outcomes import ends_in_a_sentence
from tasks_lib.steps.upkeep import catch_up, finished


@flow(name="reconcile", persist_result=False)
@ends_in_a_sentence
def reconcile() -> State[Any]:
    """Remove stored files that no task has and no seeding wants any more.

    May run at any time, beside seedings and beside itself.
    """
    return finished(catch_up())
