"""``make up`` in its own process: start it, wait until it is ready, stop it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.repository import ROOT
from servers import PATIENCE_SECONDS, wait_until

UP = [sys.executable, "-m", "deployments.up"]


@dataclass(frozen=True)
class Up:
    """A running ``up`` and the file with its output."""

    process: subprocess.Popen[bytes]
    output: Path

    def read_output(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.read_output()
        return "Ctrl-C stops everything." in self.read_output()


@contextmanager
def up(home: Path, output: Path) -> Iterator[Up]:
    """Run it in a home for the duration of a block, from the moment that it reports ready."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            UP, env=environment(home), cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
    running = Up(process, output)
    try:
        wait_until(running.is_ready, seconds=180)
        yield running
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def environment(home: Path) -> dict[str, str]:
    return os.environ | {"SEEDING_HOME": str(home), "PREFECT_API_URL": "http://prefect.invalid/api"}
