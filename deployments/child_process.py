"""Run a child process that logs to a file and stops at the end of its block."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import killpg, truncate
from pathlib import Path
from shutil import copyfile
from signal import SIGKILL
from typing import Final

from tasks_lib.errors import PrefectUnavailableError

MAX_LOG_BYTES: Final = 10 * 2**20
"""Largest log of a process; one older log of each is kept."""

_POLL_SECONDS: Final = 0.1
_REPORT_SECONDS: Final = 15
_LINES_SHOWN: Final = 15


@dataclass(frozen=True)
class ChildProcess:
    """A running child process, its name in messages, and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The id of the process and of its process group."""
        return self.process.pid

    def check(self) -> None:
        """Raise PrefectUnavailableError, with the log's end, if the child has ended."""
        status = self.process.poll()
        if status is not None:
            raise self.failure(f"ended with status {status}")

    def wait(self, timeout_seconds: float) -> None:
        """Wait until the child has exited; raise PrefectUnavailableError if it failed."""
        try:
            status = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise self.failure(f"took longer than {timeout_seconds:g} seconds") from None
        if status != 0:
            raise self.failure(f"ended with status {status}")

    def wait_until(
        self,
        condition: Callable[[], bool],
        expected: str,
        timeout_seconds: float,
        *,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Wait until ``condition`` is true; messages call that state ``expected``.

        Calls ``on_wait`` with a message every fifteen seconds. Raises PrefectUnavailableError after
        the timeout, and at once when the child has ended.
        """
        started = time.monotonic()
        due = _REPORT_SECONDS
        while not condition():
            self.check()
            waited = time.monotonic() - started
            if waited > timeout_seconds:
                raise self.failure(f"was not {expected} after {timeout_seconds:g} seconds")
            if waited >= due:
                on_wait(f"the {self.name}: not {expected} after {due} seconds, still waiting")
                due += _REPORT_SECONDS
            time.sleep(_POLL_SECONDS)

    def rotate_log(self, max_bytes: int = MAX_LOG_BYTES) -> None:
        """Move a log that is larger than this to ``NAME.log.1``, and let the child go on.

        The child keeps its file open, so the content is copied; a line that is written in that
        moment is lost.
        """
        if self.log.stat().st_size > max_bytes:
            copyfile(self.log, self.log.with_suffix(".log.1"))
            truncate(self.log, 0)

    def failure(self, reason: str) -> PrefectUnavailableError:
        """Return the error for a failure of the child, with the end of its log."""
        written = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [f"\n  {line}" for line in written if line.strip()]
        output = (
            f"its last output was:{''.join(lines[-_LINES_SHOWN:])}" if lines else "it had no output"
        )
        return PrefectUnavailableError(f"the {self.name} {reason}; {output}")


@contextmanager
def child_process(
    name: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log_folder: Path,
    cwd: Path,
    inherited_files: Sequence[int] = (),
    grace_seconds: float = 20,
) -> Iterator[ChildProcess]:
    """Run ``command`` in a session of its own, and stop it at the end of the block.

    Signals from the terminal do not reach it. At the end of the block it gets SIGTERM, and its
    process group is killed after ``grace_seconds``, or if the wait is interrupted.
    """
    log = log_folder / f"{name}.log"
    log.write_bytes(b"")
    with log.open("ab") as output:  # writes go to the end, also after ``rotate_log``
        process = subprocess.Popen(  # noqa: S603 - the command is our own
            command,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=inherited_files,
        )
    try:
        yield ChildProcess(name, process, log)
    finally:
        _stop(process, grace_seconds)


def _stop(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    try:
        process.terminate()
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        pass  # killed below
    finally:
        if process.poll() is None:  # not reaped yet, so the id is still that of its group
            killpg(process.pid, SIGKILL)
            process.wait()
