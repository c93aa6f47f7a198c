"""A local stack with the workspace of its flow runs, and queries for tests."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun

from deployments.local_stack import LocalStack
from people import finish
from servers import wait_until
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.upkeep.announcing import Publish, announce_due
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps.prefect_api import post_events

PATH = "acme/reviews/label-reviews"
QA = "acme/qa/check-labels"
DEPLOYMENT = "seed-from-csv/seed-from-csv"


@dataclass(frozen=True)
class Installation:
    """A running stack, a client of its API, and its workspace."""

    stack: LocalStack
    client: SyncPrefectClient
    workspace: Workspace

    def seed(
        self,
        source: Path,
        *,
        deployment: str = DEPLOYMENT,
        job_variables: dict[str, Any] | None = None,
    ) -> FlowRun:
        """Run a deployment on a file, wait for its end, and return the run."""
        run = self.client.create_flow_run_from_deployment(
            self.client.read_deployment_by_name(deployment).id,
            parameters={"pipeline": PATH, "source": str(source)},
            job_variables=job_variables,
        )
        wait_until(lambda: self.has_ended(run.id))
        return self.client.read_flow_run(run.id)

    def finish_all(self, publish: Publish = post_events) -> list[int]:
        """Finish every task that can be claimed, announce them to Prefect, and return their ids."""
        store = self.workspace.store
        tasks = list_tasks(store, PATH, limit=10_000)
        finished = [finish(store).id for task in tasks if task.status == "pending"]
        self.announce(publish)
        return finished

    def announce(self, publish: Publish = post_events) -> None:
        """Announce due events to Prefect, and retry while it is too busy, as a relay does."""
        wait_until(lambda: self._has_announced(publish))

    def origins(self, path: str = QA) -> list[int]:
        """Return the source task of each of the pipeline's tasks."""
        tasks = list_tasks(self.workspace.store, path, limit=10_000)
        return [task.origin.row for task in tasks]

    def runs(self, deployment: str) -> list[FlowRun]:
        """Return the runs of the deployments of this name."""
        named = DeploymentFilter(name=DeploymentFilterName(any_=[deployment]))
        return self.client.read_flow_runs(deployment_filter=named, limit=200)

    def artifacts(self, run: FlowRun) -> dict[str, str]:
        """Return the data of the run's artifacts by their type."""
        artifacts = self._filter("artifacts", artifacts={"flow_run_id": {"any_": [str(run.id)]}})
        return {artifact["type"]: artifact["data"] for artifact in artifacts}

    def logs(self, run: FlowRun) -> list[str]:
        """Wait for the last line of the run's log, and return its messages."""

        def messages() -> list[str]:
            logs = self._filter("logs", logs={"flow_run_id": {"any_": [str(run.id)]}})
            return [log["message"] for log in logs]

        wait_until(lambda: f"Finished in state {run.state}" in messages())
        return messages()

    def events(self, run: FlowRun, *names: str) -> list[dict[str, Any]]:
        """Wait for these ``seeding.`` events of the run, its only ones, and return them."""
        chosen = {
            "event": {"prefix": ["seeding."]},
            "related": {"id": [f"prefect.flow-run.{run.id}"]},
        }
        wait_until(lambda: len(self._filter("events", filter=chosen)["events"]) >= len(names))
        events = {
            event["event"]: event for event in self._filter("events", filter=chosen)["events"]
        }
        assert set(events) == set(names)
        return [events[name] for name in names]

    def _has_announced(self, publish: Publish) -> bool:
        with suppress(PrefectUnavailableError):
            announce_due(self.workspace.store, publish, at=datetime.now(UTC))
            return True
        return False

    def _filter(self, objects: str, **filters: Any) -> Any:
        return self.request("POST", f"/{objects}/filter", json=filters).json()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call Prefect's API; the client's own type knows its paths only as templates."""
        client: Any = self.client
        response: httpx.Response = client.request(method, path, **options)
        return response

    def has_ended(self, run_id: UUID) -> bool:
        """Return True if the run is in a final state."""
        self.stack.check()
        state = self.client.read_flow_run(run_id).state
        return state is not None and state.is_final()
