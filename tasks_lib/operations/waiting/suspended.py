"""Flow runs that are suspended while they wait for groups, and are resumed when the wait is over.

Each wait is a row. A process that finds it over asks Prefect to resume its run, repeatedly, since a
request that comes before the suspension is lost. Prefect is a function here.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from tasks_lib.operations.groups.finish import settle_groups
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import group_waits
from tasks_lib.store.groups.group_waits import StoredWait


class Outcome(StrEnum):
    """How a wait has ended."""

    FINISHED = "finished"
    TIMED_OUT = "timed_out"


class RunState(StrEnum):
    """The outcome of a request to resume a run."""

    RESUMED = "resumed"
    BUSY = "busy"
    CRASHED = "crashed"
    ENDED = "ended"


class FlowRuns(Protocol):
    """The flow runs of Prefect. All methods raise PrefectUnavailableError."""

    def resume(self, flow_run_id: str) -> RunState:
        """Resume a run if it is suspended."""
        ...

    def restart(self, flow_run_id: str) -> None:
        """Start a crashed run again."""
        ...

    def has_ended(self, flow_run_id: str) -> bool:
        """Tell whether a run has ended, other than by a crash, or is unknown."""
        ...


MAX_RESTARTS: Final = 3
_LEASE: Final = timedelta(seconds=30)
_SHORTEST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(seconds=60)
_QUICK_TRIES: Final = 10


def begin_wait(
    store: Store,
    wait_id: str,
    flow_run_id: str,
    group_ids: Sequence[int],
    *,
    timeout: timedelta | None,
) -> StoredWait:
    """Record that a run waits for groups, or return the wait that it has recorded before."""
    at = store.now()
    deadline = at + timeout if timeout is not None else None
    with store.write() as session:
        return group_waits.ensure_wait(
            session, wait_id, flow_run_id, group_ids, deadline=deadline, at=at
        )


def begin_suspension(store: Store, wait: StoredWait) -> str:
    """Record that the run is about to be suspended; return a key that no suspension had before."""
    with store.write() as session:
        return f"{wait.id} {group_waits.begin_round(session, wait.id, at=store.now())}"


def end_wait(store: Store, wait: StoredWait, outcome: Outcome) -> None:
    """Record how the wait has ended, for a body that runs again."""
    with store.write() as session:
        group_waits.end_wait(session, wait.id, outcome.value)


def resume_due(store: Store, runs: FlowRuns, *, at: datetime) -> int:
    """Resume the runs whose waits are over; return how many were resumed or started again.

    Several processes can do this at once. Raises PrefectUnavailableError; the next call continues.
    """
    settle_groups(store, at=at)
    with store.read() as session:
        due = group_waits.list_due(session, at=at)
    resumed = 0
    for wait in due:
        with store.write() as session:
            if not group_waits.acquire(session, wait, at=at, lasts=_LEASE):
                continue
        state = None
        try:
            state = runs.resume(wait.flow_run_id)
            if state is RunState.CRASHED and wait.restarts < MAX_RESTARTS:
                runs.restart(wait.flow_run_id)
        finally:
            _record(store, wait, state, at)
        resumed += state is RunState.RESUMED or state is RunState.CRASHED
    return resumed


def _record(store: Store, wait: StoredWait, state: RunState | None, at: datetime) -> None:
    """Record the outcome of a request to resume the run of a wait; None if it failed."""
    with store.write() as session:
        if state is RunState.ENDED or (state is RunState.CRASHED and wait.restarts >= MAX_RESTARTS):
            group_waits.remove_waits(session, wait.flow_run_id)
        elif state is RunState.CRASHED:
            group_waits.count_restart(session, wait)
        elif state is not RunState.RESUMED:  # then the lease lasts: the run needs time to start
            group_waits.retry_at(session, wait, at + _pause_after(wait.tries))


def _pause_after(tries: int) -> timedelta:
    if tries < _QUICK_TRIES:
        return _SHORTEST
    doublings = min(tries - _QUICK_TRIES, 10)
    return min(_SHORTEST * (1 << doublings), _LONGEST)


def list_resuming(store: Store) -> set[str]:
    """Return the ids of the flow runs whose waits are over, but which have not gone on yet."""
    with store.read() as session:
        return {wait.flow_run_id for wait in group_waits.list_over(session, at=store.now())}


def remove_ended_waits(store: Store, runs: FlowRuns) -> int:
    """Remove the waits of runs that have ended; return the number of those runs.

    Raises PrefectUnavailableError; the next call continues.
    """
    with store.read() as session:
        flow_runs = group_waits.list_flow_runs(session)
    ended = [flow_run_id for flow_run_id in flow_runs if runs.has_ended(flow_run_id)]
    for flow_run_id in ended:
        with store.write() as session:
            group_waits.remove_waits(session, flow_run_id)
    return len(ended)
