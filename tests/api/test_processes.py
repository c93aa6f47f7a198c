"""Several processes serve one port: one that dies is replaced, and all end with their parent."""

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api_process import Command, client_of, command
from api_requests import GOOD, TASKS, WORKFLOW, tasks
from people import counts, recount
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.cli import run
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace


def processes_of(running: Command) -> set[int]:
    """Return the ids of the serving processes."""
    process = running.process.pid
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return {child for child in map(int, children) if b"spawn_main" in _command_of(child)}


def _command_of(process: int) -> bytes:
    """Return the command of a process; nothing if it has ended, whether or not it was reaped."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def post_until_answered(client: httpx.Client, number: int) -> int:
    """Send a request until a server answers; return the created group."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            answer = client.post(
                TASKS, json=tasks(GOOD, GOOD), headers={"Idempotency-Key": f"{number}"}
            )
        except httpx.TransportError:
            continue
        assert answer.status_code == 201
        group: int = answer.json()["group_id"]
        return group
    raise AssertionError("nobody has answered for a minute")


def test_a_killed_process_loses_and_duplicates_nothing_and_is_replaced(
    workspace: Workspace, key: str, tmp_path: Path
) -> None:
    with (
        command(workspace, tmp_path, processes=2) as running,
        client_of(running, key) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        before = processes_of(running)
        assert len(before) == 2
        groups = [threads.submit(post_until_answered, client, number) for number in range(200)]
        wait_until(lambda: sum(group.done() for group in groups) > 20)
        os.kill(min(before), signal.SIGKILL)
        assert max(Counter(group.result() for group in groups).values()) == 1
        wait_until(lambda: len(processes_of(running) - {min(before)}) == 2)
        assert client.get(WORKFLOW).json()["task_total"] == 400
    assert counts(workspace.store) == recount(workspace.store)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_their_parent(
    embedded: Workspace, embedded_key: str, tmp_path: Path, number: signal.Signals
) -> None:
    with command(embedded, tmp_path, processes=2) as running:
        processes = processes_of(running)
        with client_of(running, embedded_key) as client:
            assert client.post(TASKS, json=tasks(GOOD)).status_code == 201
        running.signal(number)
        running.process.wait(PATIENCE_SECONDS)
        wait_until(lambda: not any(map(_command_of, processes)))
    assert len(list_tasks(embedded.store, "1")) == 1


def test_at_least_one_process_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["api", "--processes", "0"]) == 2
    assert "there must be at least one process; 0 were requested" in capsys.readouterr().err
