"""``make up`` keeps running, stops on request, can be restarted, and reports failures."""

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx

from deployments.repository import ROOT
from servers import PATIENCE_SECONDS
from up_process import UP, environment, up


def processes_of(home: Path) -> list[int]:
    """Return the process ids in the lock: of ``up``, the server, the worker and the API."""
    named = (home / "stack.lock").read_text(encoding="utf-8").split("processes ")[1]
    return [int(number) for number in named.split()]


def is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_up_runs_until_it_is_interrupted_and_can_be_started_again(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    with up(home, tmp_path / "first.txt") as first:
        processes = processes_of(home)
        (address,) = re.findall(r"export PREFECT_API_URL=(\S+)/api", first.read_output())
        second = subprocess.run(
            UP, env=environment(home), cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (second.returncode, second.stderr) == (
            3,
            f"error: a local stack runs in {home} already ({address}, processes "
            f"{' '.join(map(str, processes))}); stop that one first\n",
        )
        assert f"  export SEEDING_HOME='{home}'\n" in first.read_output()
        (http_api,) = re.findall(r"^HTTP API: (\S+)$", first.read_output(), re.MULTILINE)
        assert httpx.get(f"{http_api}/health", timeout=PATIENCE_SECONDS).json()["status"] == "ok"
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(PATIENCE_SECONDS) == 0
        assert [is_there(number) for number in processes] == [False] * 4
    with up(home, tmp_path / "again.txt") as again:
        assert again.read_output().startswith(
            "examples/catalogue.yaml: unchanged acme/reviews/label-reviews\n"
        )
        _, server, worker, api = processes_of(home)
        os.kill(worker, signal.SIGKILL)
        assert again.process.wait(PATIENCE_SECONDS) == 3
        assert (
            "error: the worker ended with status -9; its last output was:\n" in again.read_output()
        )
        assert [is_there(number) for number in (server, api)] == [False, False]
