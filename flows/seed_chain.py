"""Finished tasks become tasks of the pipelines that are chained to theirs."""

from typing import Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from tasks_lib.steps.chains import finished, fire
from tasks_lib.steps.outcomes import ends_in_a_sentence
from tasks_lib.steps.parameters import ChainId


def _run_name() -> str:
    chain_id = runtime.flow_run.parameters["chain_id"]
    return "all chains" if chain_id is None else f"chain {chain_id}"


@flow(name="seed-chain", flow_run_name=_run_name, persist_result=False)
@ends_in_a_sentence
def seed_chain(chain_id: ChainId = None) -> State[Any]:
    """Make the tasks of every chain that is due, and of those that become due meanwhile.

    May run at any time and beside itself: each finished task makes one task.
    """
    return finished(fire(chain_id))
