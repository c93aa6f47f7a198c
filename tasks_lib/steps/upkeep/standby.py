"""Flow runs on standby: scheduled to start soon, and put off for as long as the active run lives.

If the active run dies with its machine, nobody puts them off, and a worker starts the first one.
That needs no event and no schedule. There are two, since the first one may die as it starts, before
it has a run on standby of its own; the second one ends at once if it is not needed.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterIdempotencyKey,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from tasks_lib.steps.prefect_api import check_server, find_deployment_id, translate_errors
from tasks_lib.steps.runs.run_names import STANDBY

EVERY: Final = timedelta(seconds=40)
"""How often the runs have to be put off."""

NOW: Final = timedelta(0)
SOON: Final = timedelta(seconds=90)
LATER: Final = timedelta(seconds=180)


class Standby:
    """The runs of a deployment ``name/name`` that are on standby, one for each of the delays.

    Each has an idempotency key, so that it is found again if the server's answer was lost when it
    was created. All methods raise PrefectUnavailableError.
    """

    def __init__(
        self, name: str, parameters: dict[str, Any], delays: Sequence[timedelta] = (SOON, LATER)
    ) -> None:
        self._name = name
        self._parameters = parameters
        self._keys = {delay: uuid4().hex for delay in delays}
        self.is_paused = False
        """Whether somebody had paused the deployment when the runs were last put off."""

    def put_off(self) -> None:
        """Let the runs start later, and schedule one in place of each that is gone or has started.

        If the deployment is paused, delete them.
        """
        now = check_server()
        with get_client(sync_client=True) as client, translate_errors():
            deployment_id = find_deployment_id(client, f"{self._name}/{self._name}")
            self.is_paused = client.read_deployment(deployment_id).paused
            if self.is_paused:
                self._delete_all(client)
                return
            for delay, key in self._keys.items():
                if not _reschedule(client, key, now + delay):
                    self._keys[delay] = uuid4().hex
                    client.create_flow_run_from_deployment(
                        deployment_id,
                        name=f"{self._name}{STANDBY}",
                        parameters=self._parameters,
                        state=Scheduled(scheduled_time=now + delay),
                        idempotency_key=self._keys[delay],
                    )

    def start(self) -> None:
        """Let the first run start now."""
        self.put_off()
        now = check_server()
        with get_client(sync_client=True) as client, translate_errors():
            _reschedule(client, next(iter(self._keys.values())), now + NOW)

    def cancel(self) -> None:
        """Delete the runs that have not started."""
        with get_client(sync_client=True) as client, translate_errors():
            self._delete_all(client)

    def _delete_all(self, client: SyncPrefectClient) -> None:
        for run in _find_waiting(client, *self._keys.values()):
            with suppress(ObjectNotFound):
                client.delete_flow_run(run.id)


def _reschedule(client: SyncPrefectClient, key: str, at: datetime) -> bool:
    """Schedule the run for another time; return False if it does not wait."""
    runs = _find_waiting(client, key)
    for run in runs:
        client.set_flow_run_state(run.id, Scheduled(scheduled_time=at), force=True)
    return bool(runs)


def _find_waiting(client: SyncPrefectClient, *keys: str) -> list[FlowRun]:
    """Return the runs with these idempotency keys that have not started."""
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            idempotency_key=FlowRunFilterIdempotencyKey(any_=list(keys)),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        )
    )
