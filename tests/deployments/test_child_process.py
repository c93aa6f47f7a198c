"""Child processes: how they end, and the report on one that fails."""

import os
import sys
from pathlib import Path

import pytest

import deployments.child_process as child_process_module
from deployments.child_process import child_process
from servers import PATIENCE_SECONDS, wait_until
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


def test_a_process_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    started = tmp_path / "started"
    with child_process(
        "server",
        python(STUBBORN, str(started)),
        environment={},
        log_folder=tmp_path,
        cwd=tmp_path,
        grace_seconds=0.2,
    ) as child:
        child.wait_until(started.exists, "started", PATIENCE_SECONDS)
        assert is_group_there(child.pid)
    wait_until(lambda: not is_group_there(child.pid))
    assert child.process.returncode == -9


def test_a_failed_process_is_reported_with_its_last_output(tmp_path: Path) -> None:
    program = "import sys; sys.exit('\\n'.join(['first', *'abcdefghijklmn', 'no such file']))"
    with (
        child_process(
            "deploy", python(program), environment={}, log_folder=tmp_path, cwd=tmp_path
        ) as child,
        pytest.raises(PrefectUnavailableError) as caught,
    ):
        child.wait(PATIENCE_SECONDS)
    lines = "".join(f"\n  {line}" for line in [*"abcdefghijklmn", "no such file"])
    assert str(caught.value) == f"the deploy ended with status 1; its last output was:{lines}"


def test_a_process_that_is_not_ready_in_time_is_reported(tmp_path: Path) -> None:
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
    assert str(caught.value) == "the server was not ready after 0.3 seconds; it had no output"
    assert child.process.returncode == -15


def test_a_long_wait_is_reported_at_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process_module, "_REPORT_SECONDS", 1)
    reports: list[str] = []
    with child_process(
        "server",
        python("import time; time.sleep(600)"),
        environment={},
        log_folder=tmp_path,
        cwd=tmp_path,
    ) as child:
        child.wait_until(lambda: len(reports) == 2, "ready", 60, on_wait=reports.append)
    assert reports == [
        "the server: not ready after 1 seconds, still waiting",
        "the server: not ready after 2 seconds, still waiting",
    ]


def test_a_log_that_grows_too_large_is_moved_and_the_child_goes_on(tmp_path: Path) -> None:
    chatter = "import time\nfor n in range(10**6): print(n, flush=True); time.sleep(0.001)"
    with child_process(
        "server", python(chatter), environment={}, log_folder=tmp_path, cwd=tmp_path
    ) as child:
        child.wait_until(lambda: child.log.stat().st_size > 100, "talkative", PATIENCE_SECONDS)
        child.rotate_log(max_bytes=10**6)
        assert not (tmp_path / "server.log.1").exists()
        child.rotate_log(max_bytes=100)
        child.wait_until(lambda: child.log.stat().st_size > 100, "talkative", PATIENCE_SECONDS)
    old, new = (tmp_path / "server.log.1").read_text(), child.log.read_text()
    assert old.startswith("0\n1\n2\n")
    assert "\0" not in new, "the child writes at the end of the file"
    assert int(new.split()[1]) > int(old.split()[-2])
