"""Serve the application until a signal, and finish what is in flight then.

Either this process serves, or it looks after several that take their requests from one port: what
one does in Python keeps it to one core.
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

from tasks_lib.api.guards import access_log
from tasks_lib.errors import SeedingError, UsageError

_GRACE_SECONDS: Final = 60
"""How long requests that are in flight may take to their end, once a signal has come."""

_BACKLOG: Final = 2_048
_COLLECTED_OBJECTS: Final = 100_000
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_START_SECONDS: Final = 60
_STALLED_SECONDS: Final = 60
"""After so long without a sign of life a process is replaced."""

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
    """Serve until SIGINT or SIGTERM; ``on_ready`` is told the URL once requests are taken.

    Port 0 means any that is free. With several ``processes`` all of them serve, and one that dies
    is replaced. Raises UsageError where the port cannot be had, and what ``open_app`` raises.
    """
    if processes < 1:
        raise UsageError(f"there must be a process at least; {processes} were asked for")
    if processes > 1:
        with open_app():
            pass  # what is wrong is told at once, and not by each process
        with _listening(host, port) as listener, _signals_that_end_nothing_else():
            _Processes(_Opened(open_app), processes, listener, on_ready).run()
        return
    with open_app() as app, _listening(host, port) as listener, _signals_that_end_nothing_else():
        _make_ready()
        _Server(_config(app), _url(listener), on_ready).run([listener])


def _make_ready() -> None:
    _log_to_stderr()
    _spare_the_collector()


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


def _spare_the_collector() -> None:
    """Keep the garbage collector from looking through all modules for each large body it sees made.

    A body of thousands of objects, none of which is garbage, would make it do so many times.
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
    """Tells when it takes requests."""

    def __init__(self, config: uvicorn.Config, url: str, on_ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._url = url
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready(self._url)


class _Opened:
    """Opens the application in a process, which ends when the process that looks after it does."""

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
    """Looks after processes that serve, and tells when all of them take requests."""

    def __init__(
        self, app: _Opened, count: int, listener: socket.socket, on_ready: Callable[[str], None]
    ) -> None:
        config = _config(
            app, factory=True, workers=count, timeout_worker_healthcheck=_STALLED_SECONDS
        )
        super().__init__(config, [listener])
        self._on_ready = on_ready

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(_START_SECONDS) for process in self.processes):
            self._on_ready(_url(self.sockets[0]))

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()  # who comes now is refused, and does not wait for nothing
        super().terminate_all()


def _config(app: FastAPI | _Opened, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        **options,
    )


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only of a socket that is said to be TCP does asyncio send small packets at once; otherwise
    # each answer would wait 40 ms for the client's acknowledgement.
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
    """Have signals that uvicorn has answered by stopping do no more: it raises them once again."""

    def ignore(_: int, __: FrameType | None) -> None:
        return None

    before = {number: signal.signal(number, ignore) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
