"""Child processes: how they end, and what is told of one that fails."""

import os
import sys
from pathlib import Path

import pytest

from deployments.child_process import child_process
from servers import wait_until
from tasks_lib.errors import PrefectUnavailableError

STUBBORN = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", program, *arguments]


def is_group_there(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_that_will_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    started = tmp_path / "started"
    with child_process(
        "server",
        python(STUBBORN, str(started)),
        environment={},
        log_folder=tmp_path,
        cwd=tmp_path,
        grace_seconds=0.2,
    ) as child:
        child.wait_until(started.exists, "started", 30)
        assert is_group_there(child.pid)
    wait_until(lambda: not is_group_there(child.pid))
    assert child.process.returncode == -9


def test_one_that_fails_is_told_of_with_what_it_wrote_last(tmp_path: Path) -> None:
    program = "import sys; sys.exit('\\n'.join(['first', *'abcdefghijklmn', 'no such file']))"
    with (
        child_process(
            "deploy", python(program), environment={}, log_folder=tmp_path, cwd=tmp_path
        ) as child,
        pytest.raises(PrefectUnavailableError) as caught,
    ):
        child.wait(30)
    lines = "".join(f"\n  {line}" for line in [*"abcdefghijklmn", "no such file"])
    assert str(caught.value) == f"the deploy ended with status 1; it wrote last:{lines}"


def test_one_that_is_not_ready_in_time_is_told_of(tmp_path: Path) -> None:
    with (
        child_process(
            "server",
            python("import time; time.sleep(600)"),
            environment={},
            log_folder=tmp_path,
            cwd=tmp_path,
        ) as child,
        pytest.raises(PrefectUnavailableError) as caught,
    ):
        child.wait_until(lambda: False, "ready", 0.3)
    assert str(caught.value) == "the server was not ready after 0.3 seconds; it wrote nothing"
    assert child.process.returncode == -15
