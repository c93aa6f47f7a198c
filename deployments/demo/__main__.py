"""``python -m deployments.demo``: start everything, play the acts, show what came of them."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httpx
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    temporary_settings,
)
from rich.table import Table
from rich.text import Text

from deployments.demo.acts import ACTS
from deployments.demo.stage import Stage, heading, line, show, wait
from deployments.entry_point import exit_status
from deployments.local_stack import LocalStack, local_stack
from deployments.manifest import ROOT
from tasks_lib.operations import queries
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings

CATALOGUE: Final = Path("examples/catalogue.yaml")


def main() -> int:
    """Run the demo in a folder that is thrown away; return the exit status."""
    with TemporaryDirectory(prefix="seeding-demo-", ignore_cleanup_errors=True) as folder:
        return exit_status(lambda: demo(Path(folder)), interrupted=130)


def demo(folder: Path) -> None:
    """Show every way of creating tasks on the embedded defaults, and what was made by which."""
    started = time.monotonic()
    _forget_settings()
    os.environ["SEEDING_HOME"] = str(folder / "seeding")
    os.environ["TMPDIR"] = str(folder)  # Prefect leaves things behind in its temporary folder
    heading("1. Start Prefect and the External API")
    with (
        open_workspace(read_settings()) as workspace,
        local_stack(folder, os.environ, tell=line) as stack,
        _selected(stack),
    ):
        heading(f"2. Apply {CATALOGUE}: the pipelines and their fields")
        applied = apply_catalogue(workspace.store, ROOT / CATALOGUE)
        for pipeline in applied:
            line(f"{pipeline.outcome} {pipeline.path}")
        with _client(stack, workspace) as api:
            _play(Stage(stack, workspace, api))
        heading("What was made, and by which way")
        _print_ways(workspace, [pipeline.path for pipeline in applied])
    line(f"done in {time.monotonic() - started:.0f} s, and nothing is left behind")
    line("next: `make up` starts the same stack and stays, with your own data")


def _play(stage: Stage) -> None:
    for number, (title, act) in enumerate(ACTS, 3):
        heading(f"{number}. {title}")
        act(stage)
    wait(stage.is_idle, "a flow run has not ended")


def _print_ways(workspace: Workspace, pipelines: list[str]) -> None:
    """Print every group of the store: the kind of its source, and how many tasks it holds."""
    table = Table("way", "tasks", "into", "from", box=None, padding=(0, 2, 0, 0))
    groups = [(g, path) for path in pipelines for g in queries.list_groups(workspace.store, path)]
    for group, path in sorted(groups):
        source = group.source.removeprefix(f"{ROOT}/")
        table.add_row(group.kind, f"{group.tasks:,}", path, Text(source))
    show(table)


def _forget_settings() -> None:
    """Take the caller's settings of Prefect and of ours out of this process's environment."""
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "SEEDING_")):
            del os.environ[name]


@contextmanager
def _selected(stack: LocalStack) -> Iterator[None]:
    """Lead Prefect's client in this process to the stack, not where the caller's profile points."""
    settings = {PREFECT_API_URL: stack.api_url}
    with temporary_settings(settings, restore_defaults={PREFECT_API_KEY, PREFECT_API_AUTH_STRING}):
        yield


def _client(stack: LocalStack, workspace: Workspace) -> httpx.Client:
    """Return a client of the External API with a new key of the example's organization."""
    key, _ = create_key(workspace.store, "acme", name="demo", lifetime=None, at=datetime.now(UTC))
    return httpx.Client(base_url=stack.external_api_url, headers={"X-API-Key": key}, timeout=30)


if __name__ == "__main__":
    sys.exit(main())
