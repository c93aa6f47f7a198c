"""A local stack with the workspace that its flow runs work on, and what tests ask of both."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun

from deployments.local_stack import LocalStack
from people import finish
from servers import wait_until
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations import queries
from tasks_lib.operations.announcing import Tell, announce_due
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps.server import post_events

PATH = "acme/reviews/label-reviews"
QA = "acme/qa/check-labels"
DEPLOYMENT = "seed-from-csv/seed-from-csv"


@dataclass(frozen=True)
class Installation:
    """Everything that runs, and a client of the stack's API."""

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
        """Run a deployment on a file and return the run when it has ended."""
        run = self.client.create_flow_run_from_deployment(
            self.client.read_deployment_by_name(deployment).id,
            parameters={"pipeline": PATH, "source": str(source)},
            job_variables=job_variables,
        )
        wait_until(lambda: self._has_ended(run.id))
        return self.client.read_flow_run(run.id)

    def finish_all(self, tell: Tell = post_events) -> list[int]:
        """Finish every task that can be claimed, tell Prefect, and return their numbers."""
        store = self.workspace.store
        found = queries.list_tasks(store, PATH, limit=10_000)
        finished = [finish(store).id for task in found if task.status == "pending"]
        self.announce(tell)
        return finished

    def announce(self, tell: Tell = post_events) -> None:
        """Tell Prefect of what is due, again if it was too busy, as a relay does."""
        wait_until(lambda: self._has_announced(tell))

    def origins(self, path: str = QA) -> list[int]:
        """Return which source tasks the pipeline's tasks came from."""
        found = queries.list_tasks(self.workspace.store, path, limit=10_000)
        return [task.origin.row for task in found]

    def runs(self, deployment: str) -> list[FlowRun]:
        """Return the runs of the deployments of this name."""
        named = DeploymentFilter(name=DeploymentFilterName(any_=[deployment]))
        return self.client.read_flow_runs(deployment_filter=named, limit=200)

    def artifacts(self, run: FlowRun) -> dict[str, str]:
        """Return the data of the run's artifacts by their type."""
        found = self._filter("artifacts", artifacts={"flow_run_id": {"any_": [str(run.id)]}})
        return {artifact["type"]: artifact["data"] for artifact in found}

    def logs(self, run: FlowRun) -> list[str]:
        """Return what the run has logged, once its last line has arrived."""

        def messages() -> list[str]:
            found = self._filter("logs", logs={"flow_run_id": {"any_": [str(run.id)]}})
            return [log["message"] for log in found]

        wait_until(lambda: f"Finished in state {run.state}" in messages())
        return messages()

    def event(self, run: FlowRun) -> dict[str, Any]:
        """Return the one event of ours that the run has emitted, once it has arrived."""
        chosen = {
            "event": {"prefix": ["seeding."]},
            "related": {"id": [f"prefect.flow-run.{run.id}"]},
        }
        wait_until(lambda: self._filter("events", filter=chosen)["events"] != [])
        (event,) = self._filter("events", filter=chosen)["events"]
        return dict(event)

    def _has_announced(self, tell: Tell) -> bool:
        with suppress(PrefectUnavailableError):
            announce_due(self.workspace.store, tell, at=datetime.now(UTC))
            return True
        return False

    def _filter(self, objects: str, **filters: Any) -> Any:
        return self.client.request("POST", f"/{objects}/filter", json=filters).json()

    def _has_ended(self, run_id: UUID) -> bool:
        self.stack.check()
        state = self.client.read_flow_run(run_id).state
        return state is not None and state.is_final()
