"""Flow runs on standby: scheduled to start soon, and put off for as long as the active run lives.

If the active run dies with its machine, nobody puts them off, and a worker starts the first one.
That needs no event and no schedule. There are two, since the first one may die as it starts, before
it has a run on standby of its own; the second one ends at once if it is not needed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
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

    All methods raise PrefectUnavailableError.
    """

    def __init__(
        self, name: str, parameters: dict[str, Any], delays: Sequence[timedelta] = (SOON, LATER)
    ) -> None:
        self._name = name
        self._parameters = parameters
        self._runs: dict[timedelta, UUID | None] = dict.fromkeys(delays)
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
            for delay, run_id in self._runs.items():
                if self.is_paused:
                    self._delete(client, delay)
                elif not _reschedule(client, run_id, now + delay):
                    run = client.create_flow_run_from_deployment(
                        deployment_id,
                        name=f"{self._name}{STANDBY}",
                        parameters=self._parameters,
                        state=Scheduled(scheduled_time=now + delay),
                    )
                    self._runs[delay] = run.id

    def start(self) -> None:
        """Let the first run start now."""
        self.put_off()
        now = check_server()
        with get_client(sync_client=True) as client, translate_errors():
            _reschedule(client, next(iter(self._runs.values())), now + NOW)

    def cancel(self) -> None:
        """Delete the runs that have not started."""
        with get_client(sync_client=True) as client, translate_errors():
            for delay in self._runs:
                self._delete(client, delay)

    def _delete(self, client: SyncPrefectClient, delay: timedelta) -> None:
        run_id = self._runs[delay]
        if run_id is not None and _is_waiting(client, run_id):
            client.delete_flow_run(run_id)
        self._runs[delay] = None


def _reschedule(client: SyncPrefectClient, run_id: UUID | None, at: datetime) -> bool:
    """Schedule the run for another time; return False if it does not wait."""
    if run_id is None or not _is_waiting(client, run_id):
        return False
    client.set_flow_run_state(run_id, Scheduled(scheduled_time=at), force=True)
    return True


def _is_waiting(client: SyncPrefectClient, run_id: UUID) -> bool:
    try:
        state = client.read_flow_run(run_id).state
    except ObjectNotFound:
        return False
    return state is not None and state.is_scheduled()
