"""A local stack with the workspace of its flow runs, and queries for tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.entry_point import interrupting_signals
from deployments.local_stack import LocalStack, local_stack
from deployments.repository import ROOT
from people import finish
from servers import free_port, wait_until
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.upkeep.announcing import Publish, announce_due
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.prefect_api import post_events

PATH = "acme/reviews/label-reviews"
QA = "acme/qa/check-labels"
DEPLOYMENT = "seed-from-csv/seed-from-csv"


def clean_environment(home: Path) -> dict[str, str]:
    """Return the environment of an installation in ``home``, without settings of this process."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SEEDING_", "AWS_", "PREFECT_"))
    }
    return kept | {"SEEDING_HOME": str(home)}


@contextmanager
def own_installation(
    folder: Path, environment: Mapping[str, str], prefect_settings: Mapping[str, str] = {}
) -> Iterator["Installation"]:
    """Run an installation that only one test uses, with this process connected to it.

    ``environment`` names its home in SEEDING_HOME.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEDING_HOME", environment["SEEDING_HOME"])
        settings = read_settings()
    with open_workspace(settings) as workspace, interrupting_signals():
        apply_catalogue(workspace.store, ROOT / "examples" / "catalogue.yaml")
        with (
            local_stack(
                folder / "stack",
                environment,
                preferred_port=free_port(),
                prefect_settings=prefect_settings,
            ) as stack,
            stack.client() as client,
            temporary_settings({PREFECT_API_URL: stack.api_url}),
        ):
            yield Installation(stack, client, workspace)


@contextmanager
def second_worker(
    installation: "Installation", environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run another worker for the duration of a block, and kill it with its runs."""
    programs = str(Path(sys.executable).parent)  # of the pool's command
    settings = {
        "PATH": os.pathsep.join((programs, environment.get("PATH", os.defpath))),
        "PREFECT_API_URL": installation.stack.api_url,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_HOME": str(Path(environment["SEEDING_HOME"]).parent / "prefect"),
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "seeding"],
        cwd=ROOT,
        env={**environment, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield worker
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


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

    def upkeep(self) -> list[FlowRun]:
        """Return the runs of upkeep that are running, oldest first."""
        runs = [run for run in self.runs("reconcile") if run.state and run.state.is_running()]
        return sorted(runs, key=lambda run: run.start_time or datetime.now(UTC))

    def standbys(self, run: FlowRun) -> list[FlowRun]:
        """Return the runs that are on standby for a run of upkeep."""
        runs = self.runs("reconcile")
        return [one for one in runs if one.parameters.get("takes_over") == str(run.id)]

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
