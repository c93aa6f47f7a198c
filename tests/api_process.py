"""Servers of the External API in processes of their own, on the workspace of a test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import httpx

from children import CHILDREN
from tasks_lib.api.app import create_app
from tasks_lib.api.server import serve
from tasks_lib.intake.limits import Limits
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.files import Storage
from tasks_lib.store.engine import Store

COMMAND = [sys.executable, "-c", "from tasks_lib.cli import main; main()"]


class Server(Protocol):
    """A server that takes requests."""

    url: str

    def kill(self) -> None:
        """End it as a crash would."""


def client_of(server: Server, key: str) -> httpx.Client:
    """Return a client of the server that brings the key."""
    return httpx.Client(base_url=server.url, headers={"X-API-Key": key}, timeout=60)


def url_of(workspace: Workspace) -> str:
    return workspace.store.engine.url.render_as_string(hide_password=False)


class Command:
    """The command ``seeding api``; its log goes to a file."""

    def __init__(self, workspace: Workspace, folder: Path, processes: int) -> None:
        environment = os.environ | {
            "SEEDING_DATABASE_URL": url_of(workspace),
            "SEEDING_STORAGE_URL": workspace.storage.root,
        }
        self.log = folder / "api.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "api", "--port", "0", "--processes", str(processes), "--json"],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )
        self.url = self._announced()["url"].removesuffix("/api/v1")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _announced(self) -> dict[str, str]:
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("}"):
                announced: dict[str, str] = json.loads("".join(lines))
                return announced
        raise AssertionError(self.log.read_text())


@contextmanager
def command(workspace: Workspace, folder: Path, *, processes: int = 1) -> Iterator[Command]:
    """Run ``seeding api`` for as long as a block lasts."""
    server = Command(workspace, folder, processes)
    try:
        yield server
    finally:
        server.kill()
        assert server.process.stdout is not None
        server.process.stdout.close()


class Fork:
    """The same server without the command, from a process that has everything loaded."""

    def __init__(self, workspace: Workspace) -> None:
        here, there = CHILDREN.Pipe()
        arguments = (url_of(workspace), workspace.storage.root, there)
        self._process = CHILDREN.Process(target=_serve, args=arguments)
        self._process.start()
        self.url = here.recv()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


@contextmanager
def fork(workspace: Workspace) -> Iterator[Fork]:
    """Serve for as long as a block lasts."""
    server = Fork(workspace)
    try:
        yield server
    finally:
        server.kill()


def _serve(url: str, files: str, ready: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # its access log
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    serve(partial(nullcontext, create_app(workspace)), "127.0.0.1", 0, ready.send)
