"""A real Prefect server, started once for the flow tests, and the settings that point to it."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from lifetimes import share_in_folder
from prefect_server import prefect_server
from servers import PATIENCE_SECONDS, free_port
from tasks_lib.steps.runs.outcomes import RETRY_DELAYS_SECONDS

UNSHARED = httpx.Limits(max_keepalive_connections=0)
"""A connection for each request: the server closes one that was idle for seconds."""


@pytest.fixture
def prefect_api(request: pytest.FixtureRequest) -> str:
    """The API URL of a Prefect server that only the flow tests of this process use."""
    return share_in_folder(request, _server)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    with prefect_server(folder, free_port()) as url:
        yield url
        # Unsent events of Prefect would keep this process waiting for the server at exit.
        with temporary_settings({PREFECT_API_URL: url}):
            APILogWorker.instance().drain()
            EventsWorker.drain_all()
        with warnings.catch_warnings():  # else a later test would fail for a connection of Prefect
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.fixture
def prefect(prefect_api: str) -> Iterator[httpx.Client]:
    """A client of the server's API, while flows in this process are recorded on that server."""
    with (
        temporary_settings({PREFECT_API_URL: prefect_api}),
        httpx.Client(base_url=prefect_api, limits=UNSHARED, timeout=PATIENCE_SECONDS) as client,
    ):
        yield client


@pytest.fixture
def server(prefect: httpx.Client, prefect_api: str) -> Iterator[SyncPrefectClient]:
    """A client of the server; deployments and work pool are deleted afterwards.

    Prefect's own client asks again when the server's SQLite is locked: a deployment that stayed
    would show up in the next test.
    """
    with SyncPrefectClient(prefect_api) as client:
        yield client
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)
        with suppress(ObjectNotFound):  # a test that fails early has none
            client.delete_work_pool("seeding")
        assert client.read_deployments() == []


@pytest.fixture
def without_pauses() -> Iterator[None]:
    """Let steps retry without a pause."""
    before = list(RETRY_DELAYS_SECONDS)
    RETRY_DELAYS_SECONDS[:] = [0] * len(before)
    yield
    RETRY_DELAYS_SECONDS[:] = before


@pytest.fixture
def flow_workspace(catalogue_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded defaults in a fresh home, as a flow finds them, with the catalogue applied."""
    from tasks_lib.operations.catalogue.apply import apply_catalogue
    from tasks_lib.operations.workspace import open_workspace
    from tasks_lib.settings import read_settings

    monkeypatch.setenv("SEEDING_HOME", str(tmp_path / "seeding"))
    monkeypatch.setenv("SEEDING_CHAIN_IDLE_SECONDS", "0")
    with open_workspace(read_settings()) as workspace:
        apply_catalogue(workspace.store, catalogue_file)
