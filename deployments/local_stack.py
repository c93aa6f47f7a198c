"""Run Prefect's server and UI, the deployments, a worker and the HTTP API on this machine."""

import fcntl
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.child_process import ChildProcess, child_process
from deployments.repository import ROOT
from tasks_lib.deploy.manifest import WORK_POOL, load_flows, read_manifest
from tasks_lib.deploy.register import create_work_pool, register_deployments
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.steps.upkeep.reconcile import ensure_upkeep

_HOST: Final = "127.0.0.1"
_PREFERRED_PORT: Final = 4200
_PREFERRED_API_PORT: Final = 8000
_PORTS_TRIED: Final = 100
_STEP_SECONDS: Final = 900
"""Long enough for a slow machine; a process that ends earlier is noticed at once."""

_DAY_SECONDS: Final = 24 * 3600
_FREQUENT_EVENTS: Final = ("prefect.flow-run.heartbeat", "prefect.flow-run.Scheduled")
"""Events of runs that stay, and of those on standby for them."""

_LEASE_STORAGE: Final = "prefect.server.concurrency.lease_storage.filesystem"
_WORKER: Final = "local"
_PROGRAMS: Final = str(Path(sys.executable).parent)
_COMMAND: Final = "python -m prefect.engine"
"""The command that starts a flow run.

Without it, Prefect first starts a process that prepares a folder for the run, which none of our
deployments needs, and that process imports Prefect as well.
"""


@dataclass(frozen=True)
class LocalStack:
    """A running stack: its ports and its processes."""

    port: int
    server: ChildProcess
    worker: ChildProcess
    http_api_port: int
    http_api: ChildProcess

    @property
    def ui_url(self) -> str:
        """The URL of the Prefect UI."""
        return _ui_url(self.port)

    @property
    def api_url(self) -> str:
        """The value of PREFECT_API_URL for programs that use this stack."""
        return _api_url(self.port)

    @property
    def http_api_url(self) -> str:
        """The URL of the HTTP API."""
        return _http_api_url(self.http_api_port)

    def client(self) -> SyncPrefectClient:
        """Return a client of this stack, even if Prefect's settings name another server."""
        return SyncPrefectClient(self.api_url)

    def check(self) -> None:
        """Raise PrefectUnavailableError if one of its processes has ended."""
        for process in (self.server, self.worker, self.http_api):
            process.check()

    def rotate_logs(self) -> None:
        """Keep the logs of the processes from growing without end."""
        for process in (self.server, self.worker, self.http_api):
            process.rotate_log()


@contextmanager
def local_stack(
    folder: Path,
    environment: Mapping[str, str],
    *,
    preferred_port: int = _PREFERRED_PORT,
    prefect_settings: Mapping[str, str] = {},
    on_step: Callable[[str], None] = lambda _: None,
) -> Iterator[LocalStack]:
    """Start a stack, yield it when it is ready to run flows, and stop all of it at the end.

    ``folder`` gets PREFECT_HOME, the logs, and a lock that allows one stack at a time. All
    processes get ``environment``, with our settings of Prefect and ``prefect_settings`` in place of
    the caller's. If the preferred port is taken, the next free one is used. ``on_step`` is called
    before each step with the name of the step. Raises PrefectUnavailableError, with the end of its
    log, when a process does not start.
    """
    load_flows(read_manifest())  # detect mistakes in them before anything starts
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    with ExitStack() as running:
        lock = running.enter_context(_lock(folder / "stack.lock"))
        port = running.enter_context(_reserve_port(preferred_port))
        api_port = running.enter_context(_reserve_port(_PREFERRED_API_PORT))
        programs = _Programs(
            {**_environment(environment, folder, port, api_port), **prefect_settings},
            folder / "logs",
            lock.fileno(),
        )
        on_step(f"the Prefect server and its UI, at {_ui_url(port)}")
        serve = ("server", "start", "--host", _HOST, "--port", str(port))
        server = running.enter_context(programs.start("server", "prefect", *serve))
        server.wait_until(
            lambda: _is_healthy(_api_url(port)), "ready", _STEP_SECONDS, on_wait=on_step
        )
        client = running.enter_context(SyncPrefectClient(_api_url(port)))
        on_step(f"the work pool {WORK_POOL} and the deployments of prefect.yaml")
        create_work_pool(client, command=_COMMAND)
        list(register_deployments(client))
        with temporary_settings({PREFECT_API_URL: _api_url(port)}):
            ensure_upkeep()
        on_step("a worker")
        work = ("worker", "start", "--pool", WORK_POOL, "--name", _WORKER)
        worker = running.enter_context(programs.start("worker", "prefect", *work))
        started_at = datetime.now(UTC)
        worker.wait_until(
            lambda: _is_working(client, started_at), "running", _STEP_SECONDS, on_wait=on_step
        )
        on_step(f"the HTTP API, at {_http_api_url(api_port)}")
        api = running.enter_context(programs.start("api", "tasks_lib", *_api_arguments(api_port)))
        api.wait_until(
            lambda: _is_healthy(_http_api_url(api_port)), "ready", _STEP_SECONDS, on_wait=on_step
        )
        numbers = (os.getpid(), server.pid, worker.pid, api.pid)
        lock.write(f"{_ui_url(port)}, processes {' '.join(map(str, numbers))}")
        lock.flush()
        yield LocalStack(port, server, worker, api_port, api)


@dataclass(frozen=True)
class _Programs:
    """Start Python modules with a shared environment; the processes inherit the open lock file."""

    environment: Mapping[str, str]
    logs: Path
    lock: int

    def start(
        self, name: str, module: str, *arguments: str
    ) -> AbstractContextManager[ChildProcess]:
        return child_process(
            name,
            [sys.executable, "-m", module, *arguments],
            environment=self.environment,
            log_folder=self.logs,
            cwd=ROOT,
            inherited_files=[self.lock],
        )


def _environment(
    inherited: Mapping[str, str], folder: Path, port: int, api_port: int
) -> dict[str, str]:
    """Return the environment of all processes: only our Prefect settings, with short intervals.

    CSRF protection keeps other pages that are open in the browser from changing anything. With it
    automations also start their runs two seconds sooner: while the server fetches its token, the
    commit of the trigger ends, which on SQLite would otherwise delay the run.
    """
    others = {name: value for name, value in inherited.items() if not name.startswith("PREFECT_")}
    return (
        {"SEEDING_API_URL": f"http://{_HOST}:{api_port}"}
        | others
        | {
            "PATH": os.pathsep.join((_PROGRAMS, inherited.get("PATH", os.defpath))),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": _api_url(port),
            "PREFECT_SERVER_UI_API_URL": _api_url(port),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks_lib",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_RUNNER_POLL_FREQUENCY": "2",
            # Old runs, logs and events are deleted, so that the server's database does not grow.
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "true",
            "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * _DAY_SECONDS),
            "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(
                dict.fromkeys(_FREQUENT_EVENTS, _DAY_SECONDS)
            ),
            # Long-lived runs keep their place in a deployment's limit when the server is restarted.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASE_STORAGE,
        }
    )


@contextmanager
def _lock(path: Path) -> Iterator[TextIO]:
    """Lock the folder; raise PrefectUnavailableError, naming the holder, if it is locked."""
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read() or "still starting"
            raise PrefectUnavailableError(
                f"a local stack runs in {path.parent} already ({holder}); stop that one first"
            ) from None
        file.truncate(0)
        yield file


@contextmanager
def _reserve_port(preferred: int) -> Iterator[int]:
    """Reserve the preferred port for this stack, or the next one that is free.

    A server does not listen until seconds after its start. Until then the UDP port of the same
    number, which is unused here, keeps other stacks from choosing the port; otherwise the second
    stack would mistake the first one's server for its own. An ephemeral port is not safe: the
    system also gives those to outgoing connections.
    """
    ports = range(preferred, preferred + _PORTS_TRIED)
    for port in ports:
        reservation = _try_to_reserve(port)
        if reservation is not None:
            with reservation:
                yield port
            return
    raise PrefectUnavailableError(f"the ports {ports[0]} to {ports[-1]} of {_HOST} are all taken")


def _try_to_reserve(port: int) -> socket.socket | None:
    """Return a socket that reserves the port while it is open; None if the port is taken."""
    with ExitStack() as stack:
        try:
            reservation = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            reservation.bind((_HOST, port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(reservation.getsockname())
        except OSError:
            return None
        stack.pop_all()
        return reservation


def _is_healthy(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", timeout=5).is_success
    return False


def _api_arguments(port: int) -> tuple[str, ...]:
    return ("api", "--host", _HOST, "--port", str(port))


def _is_working(client: SyncPrefectClient, since: datetime) -> bool:
    """Return True if our worker has reported since then; an earlier stack's does not count."""
    return any(
        worker.name == _WORKER
        and worker.last_heartbeat_time is not None
        and worker.last_heartbeat_time >= since
        for worker in client.read_workers_for_work_pool(WORK_POOL)
    )


def _ui_url(port: int) -> str:
    return f"http://{_HOST}:{port}"


def _api_url(port: int) -> str:
    return f"{_ui_url(port)}/api"


def _http_api_url(port: int) -> str:
    return f"http://{_HOST}:{port}/api/v1"
