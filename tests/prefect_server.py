"""A Prefect server that tests start and stop."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import answers, wait_until


@contextmanager
def prefect_server(home: Path, port: int) -> Iterator[str]:
    """Run a server with its database in ``home`` for the duration of a block; yield its API URL."""
    url = f"http://127.0.0.1:{port}/api"
    home.mkdir(exist_ok=True)
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_API_URL": url,  # else the UI looks for it on port 4200
        # Tests read events, which a server otherwise keeps in memory for up to five seconds.
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.2",
    }
    with (home / "server.log").open("a") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
            env=os.environ | settings,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers(f"{url}/health"))
        yield url
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # stopping it gracefully is slow
        server.wait()
