"""A real Prefect server, started once for the flow tests, and the settings that lead to it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from servers import answers, free_port, wait_until


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a Prefect server of this session's own."""
    home = tmp_path_factory.mktemp("prefect")
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_API_URL": url,  # else the UI looks for it on port 4200
    }
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
            env=os.environ | settings,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_until(lambda: answers(f"{url}/health"), seconds=60)
    yield url
    # What Prefect still has to tell would keep this process waiting for the server at its end.
    with temporary_settings({PREFECT_API_URL: url}):
        APILogWorker.instance().drain()
        EventsWorker.drain_all()
    os.killpg(server.pid, signal.SIGKILL)  # nothing of it is kept, and it takes its time to stop
    server.wait()


@pytest.fixture
def prefect(prefect_api: str) -> Iterator[httpx.Client]:
    """A client of the server's API, while flows in this process are recorded on that server."""
    with (
        temporary_settings({PREFECT_API_URL: prefect_api}),
        httpx.Client(base_url=prefect_api) as client,
    ):
        yield client


@pytest.fixture
def flow_workspace(catalogue_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded defaults in a fresh home, as a flow finds them, with the catalogue applied."""
    from tasks_lib.operations.apply_catalogue import apply_catalogue
    from tasks_lib.operations.workspace import open_workspace
    from tasks_lib.settings import read_settings

    monkeypatch.setenv("SEEDING_HOME", str(tmp_path / "seeding"))
    with open_workspace(read_settings()) as workspace:
        apply_catalogue(workspace.store, catalogue_file)
