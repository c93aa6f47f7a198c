"""The common parts of our flows: a run form, a name for each run, one sentence at the end."""

from collections.abc import Callable
from typing import Any, ParamSpec

from prefect import Flow, flow
from prefect.client.schemas.objects import State

from tasks_lib.steps.forms.parameters import build_form
from tasks_lib.steps.runs.heartbeat import silence_engine
from tasks_lib.steps.runs.outcomes import end_in_a_sentence
from tasks_lib.steps.runs.run_names import keep_own_name

P = ParamSpec("P")


def seeding_flow(
    name: str, run_name: Callable[[], str]
) -> Callable[[Callable[P, State[Any]]], Flow[P, State[Any]]]:
    """Make a function a flow whose runs have the name that ``run_name`` returns.

    A name that a person gave to a run is kept. ``outcomes`` says how a run ends, and ``heartbeat``
    how it shows that it is alive.
    """
    describe = keep_own_name(run_name)

    def name_run() -> str:
        silence_engine()
        return describe()

    def decorate(function: Callable[P, State[Any]]) -> Flow[P, State[Any]]:
        make = flow(name=name, flow_run_name=name_run, persist_result=False)
        return build_form(make(end_in_a_sentence(function)))

    return decorate
