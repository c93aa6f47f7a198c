"""Serve the application from this process until a signal, and finish what is in flight then."""

import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import orjson
import uvicorn
from fastapi import FastAPI

from tasks_lib.api.guards import access_log
from tasks_lib.errors import UsageError

_GRACE_SECONDS: Final = 60
"""How long requests that are in flight may take to their end, once a signal has come."""

_BACKLOG: Final = 2_048
_COLLECTED_OBJECTS: Final = 100_000
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def serve(app: FastAPI, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``on_ready`` is told the URL once requests are taken.

    Port 0 means any that is free. Raises UsageError where the port cannot be had.
    """
    with _listening(host, port) as listener, _signals_that_end_nothing_else():
        _log_to_stderr()
        _spare_the_collector()
        _Server(_config(app), _url(listener), on_ready).run([listener])


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


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
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
