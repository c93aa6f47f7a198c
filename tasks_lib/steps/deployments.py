"""Update deployments on the server without losing the runs that their schedules have planned."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.responses import DeploymentResponse

_PAGE: Final = 200
_MARGIN: Final = timedelta(seconds=1)
_MOST_RUNS: Final = 10_000


class _Planned(NamedTuple):
    """A run that a schedule has planned, and that has not started."""

    schedule: str
    due: datetime


def update_deployment(
    client: SyncPrefectClient, deployment: DeploymentResponse, changes: dict[str, Any]
) -> None:
    """Change members of a deployment.

    Prefect then deletes all planned runs, including those that are due and wait for a worker. It
    plans new ones within a minute, but none that is due before that. So this function plans the
    runs that were deleted.
    """
    now = datetime.now(UTC)
    before = dict(_list_overdue(client, deployment.id, now))
    client.update_deployment(deployment.id, DeploymentUpdate(**changes))
    if deployment.paused:
        return
    if before:
        earliest = min(planned.due for planned in before)
        _plan(client, deployment.id, start=earliest, end=now, runs=_MOST_RUNS)
        for planned, run_id in _list_overdue(client, deployment.id, now):
            if planned not in before:  # of a schedule that is younger than the oldest overdue run
                client.delete_flow_run(run_id)
    _plan(client, deployment.id, start=now - _MARGIN)


def _list_overdue(
    client: SyncPrefectClient, deployment_id: UUID, now: datetime
) -> Iterator[tuple[_Planned, UUID]]:
    chosen = {
        "deployments": {"id": {"any_": [str(deployment_id)]}},
        "flow_runs": {
            "state": {"type": {"any_": ["SCHEDULED"]}},
            "tags": {"all_": ["auto-scheduled"]},
            "expected_start_time": {"before_": now.isoformat()},
        },
        "sort": "EXPECTED_START_TIME_ASC",
        "limit": _PAGE,
    }
    offset = 0
    while True:
        page = client.request("POST", "/flow_runs/filter", json=chosen | {"offset": offset}).json()
        for run in page:
            due = datetime.fromisoformat(run["expected_start_time"])
            yield _Planned(run["created_by"]["id"], due), UUID(run["id"])
        if len(page) < _PAGE:
            return
        offset += len(page)


def _plan(
    client: SyncPrefectClient,
    deployment_id: UUID,
    *,
    start: datetime,
    end: datetime | None = None,
    runs: int | None = None,
) -> None:
    """Plan the runs of all active schedules; those that exist already are not planned again."""
    period: dict[str, Any] = {"start_time": start.isoformat()}
    if end is not None:
        period |= {"end_time": end.isoformat(), "min_runs": runs, "max_runs": runs}
    path = {"id": str(deployment_id)}
    client.request("POST", "/deployments/{id}/schedule", path_params=path, json=period)
