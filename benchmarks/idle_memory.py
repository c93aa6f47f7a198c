"""How much memory the processes of an idle stack take, as ``make up`` starts it, on SQLite.

A stack of its own is started, with infinite seeding for one pipeline, so that its sensor runs.
After a while without work, the resident memory of each process is read, and its proportional share
(``Pss``), in which memory that processes share counts once. Linux only.
"""

import argparse
import os
import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from uuid import UUID

from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.processes import descendants
from deployments.local_stack import LocalStack, local_stack
from deployments.repository import ROOT
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.infinite.manage import InfiniteRequest, enable
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

_PIPELINE: Final = "acme/ideas/collect-ideas"
_RUN_ID: Final = "PREFECT__FLOW_RUN_ID="


class Memory(NamedTuple):
    """The resident memory of a process in bytes, and its share of it."""

    resident: int
    share: int


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle_memory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long the stack is idle")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, Prefect {version('prefect')}, SQLite\n")
    with TemporaryDirectory(prefix="seeding-benchmark-") as name:
        folder = Path(name)
        os.environ["SEEDING_HOME"] = str(folder)
        with local_stack(folder, os.environ) as stack:
            _enable_infinite_seeding()
            time.sleep(options.seconds)
            print("| process | resident memory | share |\n| --- | ---: | ---: |")
            for process, memory in _measure(stack):
                print(
                    f"| {process} | {memory.resident / 1e6:.0f} MB | {memory.share / 1e6:.0f} MB |"
                )


def _enable_infinite_seeding() -> None:
    with open_workspace(read_settings()) as workspace:
        apply_catalogue(workspace.store, ROOT / "examples" / "catalogue.yaml")
        at = workspace.store.now()
        enable(workspace.store, _PIPELINE, InfiniteRequest(keep_available=5), at=at)


def _measure(stack: LocalStack) -> Iterator[tuple[str, Memory]]:
    """Yield the memory of the stack's processes, and of the flow runs that stay."""
    yield "the HTTP API", _memory(stack.http_api.pid)
    yield "the worker", _memory(stack.worker.pid)
    yield "Prefect's server", _memory(stack.server.pid)
    with temporary_settings({PREFECT_API_URL: stack.api_url}), stack.client() as client:
        for pid in descendants(stack.worker.pid):
            run_id = _flow_run_of(pid)
            if run_id is not None:
                run = client.read_flow_run(run_id)
                yield f"the run {run.name!r}", _memory(pid)


def _flow_run_of(pid: int) -> UUID | None:
    variables = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    ids = [text.removeprefix(_RUN_ID) for text in variables if text.startswith(_RUN_ID)]
    return UUID(ids[0]) if ids else None


def _memory(pid: int) -> Memory:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    kibibytes = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return Memory(kibibytes["Rss:"] * 1_024, kibibytes["Pss:"] * 1_024)


if __name__ == "__main__":
    main()
