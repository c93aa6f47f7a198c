"""A command that runs a deployment and waits, without a worker and without the server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled

from command_line import Seeding
from proxies import Proxy
from servers import wait_until
from tasks_lib.deploy.register import create_work_pool, register_deployments
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.prefect_api import RunFailedError, run_seeding

pytestmark = pytest.mark.usefixtures("flow_workspace")

NO_WORKER = (
    "no worker takes runs of the work pool seeding; "
    "start one with: prefect worker start --pool seeding"
)
PARAMETERS = {"pipeline": "acme/reviews/label-reviews", "count": 1}


def deploy(client: SyncPrefectClient) -> None:
    create_work_pool(client)
    list(register_deployments(client))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """A thread that waits for a run."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def wait_for_run(url: str, notes: list[str], retries: int = 5) -> None:
    """Run the deployment and wait for its report."""
    with (
        temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: retries}),
        open_workspace(read_settings()) as workspace,
    ):
        run_seeding("bulk-create", PARAMETERS, workspace.store, notes.append)


def test_a_run_that_no_worker_takes_is_reported_once(
    server: SyncPrefectClient, prefect_api: str, pool: ThreadPoolExecutor
) -> None:
    deploy(server)
    notes: list[str] = []
    waiting = pool.submit(wait_for_run, prefect_api, notes)
    wait_until(lambda: waiting.done() or NO_WORKER in notes)
    named = DeploymentFilter(name=DeploymentFilterName(any_=["bulk-create"]))
    (run,) = server.read_flow_runs(deployment_filter=named)
    server.set_flow_run_state(run.id, Cancelled(message="by hand"), force=True)
    error = waiting.exception(120)
    assert isinstance(error, RunFailedError)
    assert str(error) == (
        f"the flow run {run.id} ended as Cancelled and left no report in this store: by hand"
    )
    assert notes.count(NO_WORKER) == 1
    assert notes[0].endswith(str(run.id))


def test_a_server_that_is_lost_ends_the_wait_with_status_3(
    server: SyncPrefectClient,
    prefect_api: str,
    capsys: pytest.CaptureFixture[str],
    pool: ThreadPoolExecutor,
) -> None:
    notes: list[str] = []
    deploy(server)
    proxy = Proxy(prefect_api)
    url = f"{proxy.endpoint}/api"
    waiting = pool.submit(wait_for_run, url, notes, 0)
    wait_until(lambda: waiting.done() or {"Scheduled", "Late"} & set(notes) != set())
    proxy.cut()
    error = waiting.exception(120)
    assert isinstance(error, PrefectUnavailableError)
    assert str(error).startswith(f"the Prefect server {url} does not answer: ")
    with temporary_settings({PREFECT_API_URL: url}):
        command = ["seed", "bulk", "acme/reviews/label-reviews", "1", "--deployed"]
        status, out, err = Seeding(capsys)(*command)
    assert (status, out) == (3, "")
    assert err.startswith(f"error: the Prefect server {url} does not answer: ")
    assert len(err.splitlines()) == 1
