"""Find flow runs whose process has died, and set them to Crashed, so that none stays Running.

Our flows send heartbeats; see ``heartbeat``. Prefect does nothing when they stay away, and its own
automations would also crash suspended runs.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Crashed

from tasks_lib.steps.prefect_api import check_server, translate_errors
from tasks_lib.steps.runs.heartbeat import HEARTBEAT, OURS

logger = logging.getLogger(__name__)

SILENCE: Final = timedelta(seconds=210)
"""A run is dead when its last heartbeat is older than this: it sends one a minute."""

_BEGUN: Final = [StateType.RUNNING, StateType.CANCELLING]
_RUNS_AT_ONCE: Final = 200


def crash_dead_runs(
    *, silence: timedelta = SILENCE, witness_silence: timedelta = SILENCE
) -> list[UUID]:
    """Set the runs without a process to Crashed, or Cancelled if that was asked; return their ids.

    Does nothing where heartbeats do not arrive at all: that of this run, the witness, must be
    recent. Raises PrefectUnavailableError.
    """
    now = check_server()
    with get_client(sync_client=True) as client, translate_errors():
        witness = runtime.flow_run.id
        if witness is None or not _is_alive(client, UUID(witness), now - witness_silence):
            return []
        since = now - silence
        return [run.id for run in _list_old_runs(client, since) if _bury_silent(client, run, since)]


def _list_old_runs(client: SyncPrefectClient, before: datetime) -> list[FlowRun]:
    begun = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_BEGUN)))
    runs = client.read_flow_runs(
        flow_run_filter=begun, sort=FlowRunSort.START_TIME_ASC, limit=_RUNS_AT_ONCE
    )
    return [run for run in runs if run.start_time is not None and run.start_time < before]


def _bury_silent(client: SyncPrefectClient, run: FlowRun, since: datetime) -> bool:
    last = find_last_heartbeat(client, run.id)
    if last is None or OURS not in last["resource"] or time_of(last) >= since:
        return False
    bury(client, run, f"has sent no heartbeat since {time_of(last):%Y-%m-%d %H:%M:%S} UTC")
    return True


def bury(client: SyncPrefectClient, run: FlowRun, why: str) -> None:
    """Set a run to Crashed, or Cancelled if that was asked; ``why`` continues "The run"."""
    message = f"The run {why}: its process has died."
    state: State[Any] = Crashed(message=message)
    if run.state is not None and run.state.is_cancelling():
        state = Cancelled(message=message)
    client.set_flow_run_state(run.id, state, force=True)
    logger.warning("The flow run %s is dead and was set to %s.", run.name, state.name)


def _is_alive(client: SyncPrefectClient, run_id: UUID, since: datetime) -> bool:
    last = find_last_heartbeat(client, run_id)
    return last is not None and OURS in last["resource"] and time_of(last) >= since


def find_last_heartbeat(client: SyncPrefectClient, run_id: UUID) -> dict[str, Any] | None:
    """Return the last heartbeat that has arrived of a run, ours or the engine's, or None."""
    heartbeats = list_heartbeats(client, run_id, limit=1)
    return heartbeats[0] if heartbeats else None


def list_heartbeats(client: SyncPrefectClient, run_id: UUID, *, limit: int) -> list[dict[str, Any]]:
    """Return the last heartbeats of a run, the newest first."""
    resource = {"id": [f"prefect.flow-run.{run_id}"]}
    query = {"filter": {"event": {"name": [HEARTBEAT]}, "resource": resource}, "limit": limit}
    events = client.request("POST", "/events/filter", json=query).json()["events"]
    return [dict(event) for event in events]


def time_of(event: dict[str, Any]) -> datetime:
    """Return the time by the server's clock; ``occurred`` is by that of the run's machine."""
    return datetime.fromisoformat(event["received"])
