"""Serve the application until a signal arrives, then finish the requests in flight.

Either this process serves, or it supervises several processes that share one port, because Python
keeps one process to one core.
"""

import gc
import logging
import multiprocessing
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType
from typing import Any, Final

import orjson
import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from tasks_lib.api.access import Service
from tasks_lib.api.serving.connections import BoundedProtocol
from tasks_lib.api.serving.guards import access_log
from tasks_lib.errors import SeedingError, UsageError

_GRACE_SECONDS: Final = 60
"""How long requests in flight may take after a signal."""

_BACKLOG: Final = 2_048
_COLLECTED_OBJECTS: Final = 100_000
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_START_SECONDS: Final = 60
_STALLED_SECONDS: Final = 60
"""After so long without a heartbeat a process is replaced."""

_STOPPED: Final = 1
logger = logging.getLogger(__name__)

OpenApp = Callable[[], AbstractContextManager[FastAPI]]
"""Opens the application while it is served; each process calls it, so it can be pickled."""


def serve(
    open_app: OpenApp,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    *,
    processes: int = 1,
) -> None:
    """Serve until SIGINT or SIGTERM; call ``on_ready`` with the URL once requests are accepted.

    Port 0 means any free port. With several ``processes`` all of them serve, and one that dies is
    replaced. Raises UsageError if the port is unavailable, and what ``open_app`` raises.
    """
    if processes < 1:
        raise UsageError(f"there must be at least one process; {processes} were requested")
    if processes > 1:
        with open_app() as app:  # an error is reported once, and not by each process
            most = _max_connections(app)
        with _listening(host, port) as listener, _signals_that_end_nothing_else():
            _Processes(_Opened(open_app), processes, most, listener, on_ready).run()
        return
    with open_app() as app, _listening(host, port) as listener, _signals_that_end_nothing_else():
        _make_ready()
        config = _config(app, limit_concurrency=_max_connections(app))
        _Server(config, _url(listener), on_ready).run([listener])


def _max_connections(app: FastAPI) -> int:
    service: Service = app.state.service
    return service.limits.max_connections


def _make_ready() -> None:
    _log_to_stderr()
    spare_the_collector()


def _log_to_stderr() -> None:
    """Write the access log, and warnings of everything else, as lines of JSON."""
    lines = logging.StreamHandler(sys.stderr)
    access_log.setLevel(logging.INFO)
    access_log.propagate = False
    access_log.addHandler(lines)
    others = logging.StreamHandler(sys.stderr)
    others.setFormatter(_JsonLines())
    others.setLevel(logging.WARNING)
    logging.getLogger().addHandler(others)


def spare_the_collector() -> None:
    """Exclude loaded modules from garbage collection, and collect less often.

    A large body creates thousands of objects, none of them garbage; each collection that they
    trigger would walk through all modules.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_OBJECTS)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname.lower(), "logger": record.name}
        line["message"] = record.getMessage()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


class _Server(uvicorn.Server):
    """A server that calls ``on_ready`` once it accepts requests."""

    def __init__(self, config: uvicorn.Config, url: str, on_ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._url = url
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready(self._url)


class _Opened:
    """Opens the application in a worker process, which ends with the process that supervises it."""

    def __init__(self, open_app: OpenApp) -> None:
        self._open_app = open_app

    def __call__(self) -> FastAPI:
        _make_ready()
        threading.Thread(target=_end_with_parent, daemon=True).start()
        self._resources = ExitStack()  # for as long as the process lives
        try:
            return self._resources.enter_context(self._open_app())
        except SeedingError as error:
            logger.critical("a process of the API cannot start: %s", error)
            sys.exit(_STOPPED)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101
    parent.join()
    signal.raise_signal(signal.SIGTERM)


class _Processes(Multiprocess):
    """Supervises worker processes, and calls ``on_ready`` once all of them accept requests."""

    def __init__(
        self,
        app: _Opened,
        count: int,
        max_connections: int,
        listener: socket.socket,
        on_ready: Callable[[str], None],
    ) -> None:
        config = _config(
            app,
            factory=True,
            workers=count,
            timeout_worker_healthcheck=_STALLED_SECONDS,
            limit_concurrency=max_connections,
        )
        super().__init__(config, [listener])
        self._on_ready = on_ready

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(_START_SECONDS) for process in self.processes):
            self._on_ready(_url(self.sockets[0]))

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()  # so that a new connection is refused and does not wait
        super().terminate_all()


def _config(app: FastAPI | _Opened, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        **options,
    )


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm only if the socket's protocol is TCP; otherwise each answer
    # would wait 40 ms for the client's acknowledgement.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except (OSError, OverflowError) as error:
            raise UsageError(f"port {port} of {host} cannot be listened on: {error}") from None
        yield listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _signals_that_end_nothing_else() -> Iterator[None]:
    """Ignore the signals that uvicorn raises again after it has stopped because of them."""

    def ignore(_: int, __: FrameType | None) -> None:
        return None

    before = {number: signal.signal(number, ignore) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
