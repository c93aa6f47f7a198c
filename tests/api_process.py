"""Servers of the External API in their own processes, on the workspace of a test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import httpx

from children import CHILDREN
from servers import PATIENCE_SECONDS
from tasks_lib.api.app import create_app
from tasks_lib.api.serving.server import serve
from tasks_lib.domain.limits import ApiLimits, Limits
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

COMMAND = ["-c", "from tasks_lib.cli import main; main()"]


class Server(Protocol):
    """A running server."""

    url: str

    def kill(self) -> None:
        """End the server as a crash would."""


def client_of(server: Server, key: str) -> httpx.Client:
    """Return a client of the server that sends the API key."""
    return httpx.Client(base_url=server.url, headers={"X-API-Key": key}, timeout=PATIENCE_SECONDS)


def url_of(workspace: Workspace) -> str:
    return workspace.store.engine.url.render_as_string(hide_password=False)


class Command:
    """The command ``seeding api``; its log goes to a file."""

    def __init__(
        self, workspace: Workspace, folder: Path, processes: int, options: Sequence[str]
    ) -> None:
        environment = os.environ | {
            "SEEDING_DATABASE_URL": url_of(workspace),
            "SEEDING_STORAGE_URL": workspace.storage.root,
        }
        self.log = folder / "api.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, *options, *COMMAND,
                    "api", "--port", "0", "--processes", str(processes), "--json",
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )  # fmt: skip
        self.url = self._read_announcement()["url"].removesuffix("/api/v1")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _read_announcement(self) -> dict[str, str]:
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("}"):
                announcement: dict[str, str] = json.loads("".join(lines))
                return announcement
        raise AssertionError(self.log.read_text())


@contextmanager
def command(
    workspace: Workspace, folder: Path, *, processes: int = 1, options: Sequence[str] = ()
) -> Iterator[Command]:
    """Run ``seeding api`` for the duration of a block; ``options`` go to the interpreter."""
    server = Command(workspace, folder, processes, options)
    try:
        yield server
    finally:
        server.kill()
        assert server.process.stdout is not None
        server.process.stdout.close()


class Fork:
    """The same server without the command, forked from a process with all modules loaded."""

    def __init__(self, workspace: Workspace, limits: ApiLimits) -> None:
        here, there = CHILDREN.Pipe()
        arguments = (url_of(workspace), workspace.storage.root, limits, there)
        self._process = CHILDREN.Process(target=_serve, args=arguments)
        self._process.start()
        self.url = here.recv()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


@contextmanager
def fork(workspace: Workspace, limits: ApiLimits = ApiLimits()) -> Iterator[Fork]:  # noqa: B008 - immutable
    """Run a server for the duration of a block."""
    server = Fork(workspace, limits)
    try:
        yield server
    finally:
        server.kill()


def _serve(url: str, files: str, limits: ApiLimits, ready: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # its access log
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    serve(lambda: nullcontext(create_app(workspace, limits=limits)), "127.0.0.1", 0, ready.send)
