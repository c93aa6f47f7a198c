"""The flow that fires chains: finished tasks become tasks of the chained pipelines."""

from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.steps.chains import end_state, fire
from tasks_lib.steps.forms.parameters import ChainId
from tasks_lib.steps.runs.flow import seeding_flow


def _run_name() -> str:
    chain_id = runtime.flow_run.parameters["chain_id"]
    return "all chains" if chain_id is None else f"chain {chain_id}"


@seeding_flow("seed-chain", _run_name)
def seed_chain(chain_id: ChainId = None) -> State[Any]:
    """Create the tasks of every chain that is due, and of those that become due meanwhile.

    You can run it at any time, also several at once: each finished task becomes one task.
    """
    return end_state(fire(chain_id))
