"""All of it on this machine for as long as a block lasts.

Prefect's server and UI, the deployments, a worker, and the External API.
"""

import fcntl
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
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.child_process import ChildProcess, child_process
from deployments.manifest import ROOT, WORK_POOL, Manifest, load_flows, read_manifest
from tasks_lib.errors import PrefectUnavailableError

_HOST: Final = "127.0.0.1"
_PREFERRED_PORT: Final = 4200
_PREFERRED_API_PORT: Final = 8000
_PORTS_TRIED: Final = 100
_STEP_SECONDS: Final = 120
_WORKER: Final = "local"
_PROGRAMS: Final = str(Path(sys.executable).parent)
_COMMAND: Final = "python -m prefect.engine"
"""What a run is started by; said, because else a process comes before it that imports Prefect too.

Prefect prepares a folder of the run's own there, which no deployment of ours needs.
"""


@dataclass(frozen=True)
class LocalStack:
    """A running stack: its ports, and the processes that have to live for it."""

    port: int
    server: ChildProcess
    worker: ChildProcess
    external_api_port: int
    external_api: ChildProcess

    @property
    def ui_url(self) -> str:
        """Where a person looks at it."""
        return _ui_url(self.port)

    @property
    def api_url(self) -> str:
        """What PREFECT_API_URL has to be for programs that use it."""
        return _api_url(self.port)

    @property
    def external_api_url(self) -> str:
        """Where other programs reach the External API."""
        return _external_api_url(self.external_api_port)

    def client(self) -> SyncPrefectClient:
        """Return a client of this stack, whatever server Prefect's settings name."""
        return SyncPrefectClient(self.api_url)

    def check(self) -> None:
        """Raise PrefectUnavailableError if one of its processes has ended."""
        for process in (self.server, self.worker, self.external_api):
            process.check()


@contextmanager
def local_stack(
    folder: Path,
    environment: Mapping[str, str],
    *,
    preferred_port: int = _PREFERRED_PORT,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[LocalStack]:
    """Start a stack, yield it when it is ready to run flows, and stop all of it at the end.

    ``folder`` gets PREFECT_HOME, the logs, and a lock that lets in one stack at a time. Flow runs
    see ``environment``, without the caller's own Prefect settings. Another port is taken when the
    preferred one is not free. ``tell`` hears what comes next. Raises PrefectUnavailableError, with
    the end of its log, when something does not start.
    """
    manifest = read_manifest()
    load_flows(manifest)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    with ExitStack() as running:
        lock = running.enter_context(_lock(folder / "stack.lock"))
        port = running.enter_context(_reserved_port(preferred_port))
        programs = _Programs(
            _environment(environment, folder, port), folder / "logs", lock.fileno()
        )
        tell(f"the Prefect server and its UI, at {_ui_url(port)}")
        serve = ("server", "start", "--host", _HOST, "--port", str(port))
        server = running.enter_context(programs.start("server", "prefect", *serve))
        server.wait_until(lambda: _is_healthy(_api_url(port)), "ready", _STEP_SECONDS)
        client = running.enter_context(SyncPrefectClient(_api_url(port)))
        tell(f"the work pool {WORK_POOL} and the deployments of prefect.yaml")
        _create_work_pool(client)
        _deploy(programs, client, manifest)
        tell("a worker")
        work = ("worker", "start", "--pool", WORK_POOL, "--name", _WORKER)
        worker = running.enter_context(programs.start("worker", "prefect", *work))
        started_at = datetime.now(UTC)
        worker.wait_until(lambda: _works(client, started_at), "at work", _STEP_SECONDS)
        api_port = running.enter_context(_reserved_port(_PREFERRED_API_PORT))
        tell(f"the External API, at {_external_api_url(api_port)}")
        api = running.enter_context(programs.start("api", "tasks_lib", *_serving(api_port)))
        api.wait_until(lambda: _is_healthy(_external_api_url(api_port)), "ready", _STEP_SECONDS)
        numbers = (os.getpid(), server.pid, worker.pid, api.pid)
        lock.write(f"{_ui_url(port)}, processes {' '.join(map(str, numbers))}")
        lock.flush()
        yield LocalStack(port, server, worker, api_port, api)


@dataclass(frozen=True)
class _Programs:
    """Python modules to run as commands, with what all of them share; they hold the lock, too."""

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


def _environment(inherited: Mapping[str, str], folder: Path, port: int) -> dict[str, str]:
    """Return the environment of all processes: no other Prefect's settings, and short waits.

    The server asks for a token with each change, so no page that a person looks at meanwhile can
    make one. It also has automations start their runs two seconds sooner: to fetch the token takes
    the server just past the commit of the trigger, which on SQLite would get into the run's way.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith("PREFECT_")}
    return kept | {
        "PATH": os.pathsep.join((_PROGRAMS, inherited.get("PATH", os.defpath))),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": _api_url(port),
        "PREFECT_SERVER_UI_API_URL": _api_url(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks_lib",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
    }


@contextmanager
def _lock(path: Path) -> Iterator[TextIO]:
    """Hold the folder for one stack; whoever comes second is told who is there."""
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
def _reserved_port(preferred: int) -> Iterator[int]:
    """Reserve the preferred port for this stack, or the next one that is free.

    A server listens only seconds after its start. Until then the UDP port of the same number, which
    nothing here uses, keeps other stacks from choosing it too: the second would take the first's
    server for its own. A port of the system's choice would not do: those it gives to connections,
    too.
    """
    ports = range(preferred, preferred + _PORTS_TRIED)
    for port in ports:
        reservation = _reservation(port)
        if reservation is not None:
            with reservation:
                yield port
            return
    raise PrefectUnavailableError(f"the ports {ports[0]} to {ports[-1]} of {_HOST} are all taken")


def _reservation(port: int) -> socket.socket | None:
    """Return what reserves the port as long as it is open; None if the port is taken."""
    with ExitStack() as held:
        try:
            reservation = held.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            reservation.bind((_HOST, port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(reservation.getsockname())
        except OSError:
            return None
        held.pop_all()
        return reservation


def _is_healthy(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", timeout=5).is_success
    return False


def _create_work_pool(client: SyncPrefectClient) -> None:
    """Create the work pool; one that is there keeps what a person has changed in the UI."""
    template = ProcessWorker.get_default_base_job_template()
    template["variables"]["properties"]["command"]["default"] = _COMMAND
    pool = WorkPoolCreate(name=WORK_POOL, type=ProcessWorker.type, base_job_template=template)
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(pool)


def _deploy(programs: _Programs, client: SyncPrefectClient, manifest: Manifest) -> None:
    """Deploy, and look what came of it: the command has ended well without having deployed."""
    started_at = datetime.now(UTC)
    with programs.start("deploy", "prefect", "--no-prompt", "deploy", "--all") as deploy:
        deploy.wait(_STEP_SECONDS)
        names = [deployment.full_name for deployment in manifest.deployments]
        missing = [name for name in names if not _is_deployed(client, name, started_at)]
        if missing:
            raise deploy.failure(f"did not deploy {', '.join(missing)}")


def _is_deployed(client: SyncPrefectClient, name: str, since: datetime) -> bool:
    with suppress(ObjectNotFound):
        updated = client.read_deployment_by_name(name).updated
        return updated is not None and updated >= since
    return False


def _serving(port: int) -> tuple[str, ...]:
    return ("api", "--host", _HOST, "--port", str(port))


def _works(client: SyncPrefectClient, since: datetime) -> bool:
    """Tell whether our worker has reported, and not only one of an earlier stack."""
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


def _external_api_url(port: int) -> str:
    return f"http://{_HOST}:{port}/api/v1"
