"""A child process that writes its output to a log file and ends with its block."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import killpg
from pathlib import Path
from signal import SIGKILL
from typing import Final

from tasks_lib.errors import PrefectUnavailableError

_POLL_SECONDS: Final = 0.1
_LINES_SHOWN: Final = 15


@dataclass(frozen=True)
class ChildProcess:
    """A running child, the name that a person knows it by, and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The number of the process, and of its process group."""
        return self.process.pid

    def check(self) -> None:
        """Raise PrefectUnavailableError, with the log's end, if the child has ended."""
        status = self.process.poll()
        if status is not None:
            raise self.failure(f"ended with status {status}")

    def wait(self, timeout_seconds: float) -> None:
        """Wait until the child has done its work; raise PrefectUnavailableError if it failed."""
        try:
            status = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise self.failure(f"took longer than {timeout_seconds:g} seconds") from None
        if status != 0:
            raise self.failure(f"ended with status {status}")

    def wait_until(
        self, condition: Callable[[], bool], expected: str, timeout_seconds: float
    ) -> None:
        """Wait until ``condition`` holds, while the child lives; ``expected`` says what it is."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise self.failure(f"was not {expected} after {timeout_seconds:g} seconds")
            time.sleep(_POLL_SECONDS)

    def failure(self, what: str) -> PrefectUnavailableError:
        """Return the error that says what went wrong with the child, with the log's end."""
        written = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [f"\n  {line}" for line in written if line.strip()]
        told = f"it wrote last:{''.join(lines[-_LINES_SHOWN:])}" if lines else "it wrote nothing"
        return PrefectUnavailableError(f"the {self.name} {what}; {told}")


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

    A signal of the terminal does not reach it; it ends when the block does. It is asked to end,
    and its process group is killed if it has not done so in time, or if the wait is interrupted.
    """
    log = log_folder / f"{name}.log"
    with log.open("wb") as output:
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
        if process.poll() is None:  # not reaped yet, so the group's number is still its own
            killpg(process.pid, SIGKILL)
            process.wait()
