"""One load in a process of its own: measures its seconds and the process's peak memory.

A fresh process for each load, because nobody seeds a file twice in a row: what a library sets up at
its first use is counted. Imports, and what a loader prepares, are not.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import pyarrow as pa

_FOREIGN: Final = ("AWS_", "DLT_", "PREFECT_", "SEEDING_")
_REPOSITORY: Final = Path(__file__).parents[1]


class Loader(Protocol):
    """The interface of the modules in ``benchmarks.loaders``."""

    def prepared(self, database_url: str, source: Path) -> Callable[[], object]:
        """Return the load, ready to be called once."""
        ...


class Load(NamedTuple):
    """The seconds and the peak memory of a load."""

    seconds: float
    peak_bytes: int


def load_once(loader: str, database_url: str, source: Path, *, environment: dict[str, str]) -> Load:
    """Run ``benchmarks.loaders.<loader>`` in a new process; raise RuntimeError if it fails.

    A load that goes into no database has an empty ``database_url``.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load_once", loader, database_url, str(source)],
        cwd=_REPOSITORY,
        env=environment | {"SEEDING_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{loader} failed:\n{done.stdout}\n{done.stderr}")
    return Load(**json.loads(done.stdout.splitlines()[-1]))


def loading_environment(
    folder: Path, *, programs: Path | None, prefect_api_url: str
) -> dict[str, str]:
    """Return the environment of loads that keep their files in ``folder``."""
    folders = [str(programs)] if programs is not None else []
    path = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    return own_environment() | {
        "PATH": path,
        "SEEDING_HOME": str(folder / "seeding"),
        "PREFECT_API_URL": prefect_api_url,
        "PREFECT_HOME": str(folder / "prefect"),
        "DLT_DATA_DIR": str(folder / "dlt"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }


def own_environment() -> dict[str, str]:
    """Return the environment of this process without settings of ours or of Prefect."""
    return {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}


def main(loader: str, database_url: str, source: str) -> None:
    """Load, and print seconds and memory as a line of JSON."""
    module: Loader = import_module(f"benchmarks.loaders.{loader}")
    load = module.prepared(database_url, Path(source))
    pa.array([1])  # Arrow imports pandas for its first array
    started = time.perf_counter()
    load()
    seconds = time.perf_counter() - started
    print(json.dumps(Load(seconds, _peak_bytes())._asdict()))


def _peak_bytes() -> int:
    """Return the peak memory of this process.

    On Linux, ru_maxrss includes the parent process; VmHWM does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
