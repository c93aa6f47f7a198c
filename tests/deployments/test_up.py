"""``make up``: it stays, it stops when asked, it can be started again, and it says what broke."""

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx

from deployments.manifest import ROOT
from staying import UP, environment, up


def processes_of(home: Path) -> list[int]:
    """Return the numbers that the lock names: of ``up``, the server, the worker and the API."""
    named = (home / "stack.lock").read_text(encoding="utf-8").split("processes ")[1]
    return [int(number) for number in named.split()]


def is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_stays_until_it_is_interrupted_and_can_come_again(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    with up(home, tmp_path / "first.txt") as first:
        processes = processes_of(home)
        (address,) = re.findall(r"export PREFECT_API_URL=(\S+)/api", first.said())
        second = subprocess.run(
            UP, env=environment(home), cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (second.returncode, second.stderr) == (
            3,
            f"error: a local stack runs in {home} already ({address}, processes "
            f"{' '.join(map(str, processes))}); stop that one first\n",
        )
        assert f"  export SEEDING_HOME='{home}'\n" in first.said()
        (external_api,) = re.findall(r"^The External API: (\S+)$", first.said(), re.MULTILINE)
        assert httpx.get(f"{external_api}/health").json()["status"] == "ok"
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(60) == 0
        assert [is_there(number) for number in processes] == [False] * 4
    with up(home, tmp_path / "again.txt") as again:
        assert again.said().startswith(
            "examples/catalogue.yaml: unchanged acme/reviews/label-reviews\n"
        )
        _, server, worker, api = processes_of(home)
        os.kill(worker, signal.SIGKILL)
        assert again.process.wait(60) == 3
        assert "error: the worker ended with status -9; it wrote last:\n" in again.said()
        assert [is_there(number) for number in (server, api)] == [False, False]
