"""Identify what a flow run does, so that a body that runs again finds what it did before.

Prefect runs the body of a flow again after a suspension or a retry, on any worker. The results that
it keeps may be on the disk of another one, so the ids of acts are kept in the store.
"""

from collections import Counter
from typing import Final
from uuid import uuid4

from prefect import runtime
from prefect.context import FlowRunContext

_calls: Final[Counter[tuple[str, int, str]]] = Counter()
"""How often this process has called an act, in each attempt of a run."""


def current_run_id() -> str | None:
    """Return the id of the flow run around the caller, or None."""
    run_id = runtime.flow_run.id
    return str(run_id) if run_id is not None else None


def act_id(act: str, idempotency_key: str = "") -> str:
    """Return the id of an act in the current flow run.

    Without a key, the calls of the act are counted, so that a call has the same id when the body
    runs again. Tasks of Prefect can run in another order then, so a call in a task has a new id
    each time.
    """
    run_id = current_run_id() or ""
    if idempotency_key:
        return f"{run_id} {act} key:{idempotency_key}"
    if runtime.task_run.id is not None:
        return str(uuid4())
    call = (run_id, _attempt(), act)
    _calls[call] += 1
    return f"{run_id} {act} {_calls[call]}"


def _attempt() -> int:
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    return run.run_count if run is not None else 0
