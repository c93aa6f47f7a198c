"""Find runs that wait for groups and whose process has died, and set them to Crashed.

``operations.waiting`` then starts them again. Their flows are not ours, so their heartbeat is that
of Prefect's engine; ``suspend`` notes its interval on the run. A suspended run needs no process.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType

from tasks_lib.steps.prefect_api import check_server, translate_errors
from tasks_lib.steps.runs.heartbeat import ENGINE_INTERVAL, EVERY
from tasks_lib.steps.upkeep.dead_runs import bury, find_last_heartbeat, list_heartbeats, time_of

PENDING: Final = timedelta(minutes=30)
"""A run is dead if its infrastructure takes longer than this to start it."""

_MISSED: Final = 3
_LATE: Final = timedelta(minutes=1)
_RUNS_AT_ONCE: Final = 200
_EVENTS_AT_ONCE: Final = 50
_BEATS_LOST: Final = 2
"""So short a time without the server costs a waiting run one heartbeat at most."""

_WITH_PROCESS: Final = [StateType.RUNNING, StateType.PENDING]


def crash_dead_waiting_runs(
    resuming: Collection[str], *, missed: int = _MISSED, pending: timedelta = PENDING
) -> list[UUID]:
    """Set the runs without a process to Crashed; return their ids.

    ``resuming`` are the ids of the runs to look at. One that is Running is dead if so many of its
    heartbeats in a row are missing, while those of this run, the witness, have arrived. Raises
    PrefectUnavailableError.
    """
    witness = runtime.flow_run.id
    if witness is None or not resuming:
        return []
    now = check_server()
    with get_client(sync_client=True) as client, translate_errors():
        chosen = FlowRunFilter(
            id=FlowRunFilterId(any_=[UUID(run_id) for run_id in resuming]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_WITH_PROCESS)),
        )
        runs = client.read_flow_runs(flow_run_filter=chosen, limit=_RUNS_AT_ONCE)
        dead = [run for run in runs if _is_dead(client, run, UUID(witness), now, missed, pending)]
        for run in dead:
            bury(client, run, "was resumed, and has given no sign of life since")
    return [run.id for run in dead]


def _is_dead(
    client: SyncPrefectClient,
    run: FlowRun,
    witness: UUID,
    now: datetime,
    missed: int,
    pending: timedelta,
) -> bool:
    if run.state is None:
        return False
    if run.state.is_pending():
        return now - run.state.timestamp > pending
    interval = run.labels.get(ENGINE_INTERVAL)
    if not interval:
        return False
    since = now - missed * (timedelta(seconds=int(interval)) + _LATE)
    if run.state.timestamp > since:
        return False
    last = find_last_heartbeat(client, run.id)
    if last is not None and time_of(last) > since:
        return False
    heartbeats = list_heartbeats(client, witness, limit=_EVENTS_AT_ONCE)
    return has_beaten(list(map(time_of, heartbeats)), since, now)


def has_beaten(beats: Sequence[datetime], since: datetime, now: datetime) -> bool:
    """Return True if nearly all heartbeats that a run of ours has sent since then have arrived.

    Then the server was there all the time, and other runs' heartbeats were not lost.
    """
    sent = min((now - since) // EVERY, _EVENTS_AT_ONCE)
    return sum(beat > since for beat in beats) >= sent - _BEATS_LOST
