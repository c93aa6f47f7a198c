"""``make up`` as a process of its own: start it, wait until it is ready, stop it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.manifest import ROOT
from servers import wait_until

UP = [sys.executable, "-m", "deployments.up"]


@dataclass(frozen=True)
class Up:
    """A running ``up`` and where its output goes."""

    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said()
        return "Ctrl-C stops everything." in self.said()


@contextmanager
def up(home: Path, output: Path) -> Iterator[Up]:
    """Start it in a home and wait until it says that it is ready."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            UP, env=environment(home), cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
    started = Up(process, output)
    try:
        wait_until(started.is_ready, seconds=180)
        yield started
    finally:
        process.terminate()
        process.wait(60)


def environment(home: Path) -> dict[str, str]:
    return os.environ | {"SEEDING_HOME": str(home), "PREFECT_API_URL": "http://prefect.invalid/api"}
