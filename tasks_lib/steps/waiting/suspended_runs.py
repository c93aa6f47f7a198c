"""The flow runs that wait for groups, through the API of Prefect."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Scheduled

from tasks_lib.operations.waiting.suspended import FlowRuns, RunState
from tasks_lib.steps.prefect_api import api_url, check_server, translate_errors
from tasks_lib.steps.runs.heartbeat import ENGINE_INTERVAL, engine_interval

_SECONDS: Final = 10.0
_NOT_FOUND: Final = 404
_BUSY: Final = frozenset({409, 423, 429, 503})


class WaitingRuns(FlowRuns):
    """The flow runs of the configured server."""

    def resume(self, flow_run_id: str) -> RunState:
        """Resume a run if it is suspended.

        Prefect answers 200 for a run that is not, with the status ABORT. Its database may be locked
        by another request; then the run is busy.
        """
        with _client() as client:
            try:
                answer = client.resume_flow_run(UUID(flow_run_id))
            except httpx.HTTPStatusError as error:
                status = error.response.status_code
                if status == _NOT_FOUND:
                    return RunState.ENDED
                if status in _BUSY:
                    return RunState.BUSY
                raise
            if answer.status is SetStateStatus.ACCEPT:
                return RunState.RESUMED
            return _state_of(client, flow_run_id)

    def restart(self, flow_run_id: str) -> None:
        """Start a crashed run again."""
        state: State[Any] = Scheduled(
            name="AwaitingRetry", message="Its process had died while it waited for a group."
        )
        with _client() as client:
            client.set_flow_run_state(UUID(flow_run_id), state, force=True)

    def has_ended(self, flow_run_id: str) -> bool:
        """Tell whether a run has ended, other than by a crash, or is unknown."""
        with _client() as client:
            return _state_of(client, flow_run_id) is RunState.ENDED


def note_heartbeats(flow_run_id: str) -> None:
    """Note on the current flow run how often it sends heartbeats, for the search for dead runs.

    Raises PrefectUnavailableError.
    """
    seconds = engine_interval()
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if seconds is None or (run is not None and run.labels.get(ENGINE_INTERVAL) == seconds):
        return
    with get_client(sync_client=True) as client, translate_errors():
        client.update_flow_run_labels(UUID(flow_run_id), {ENGINE_INTERVAL: seconds})


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    """Open a client that does not retry, since the caller does; raise PrefectUnavailableError."""
    if api_url() is None:
        check_server()
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True, httpx_settings={"timeout": _SECONDS}) as client,
        translate_errors(),
    ):
        yield client


def _state_of(client: SyncPrefectClient, flow_run_id: str) -> RunState:
    try:
        state = client.read_flow_run(UUID(flow_run_id)).state
    except ObjectNotFound:
        return RunState.ENDED
    if state is None or not state.is_final():
        return RunState.BUSY
    return RunState.CRASHED if state.is_crashed() else RunState.ENDED
