"""``python -m deployments.demo``: start a local stack, run the acts, and print a summary."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

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
from deployments.demo.stage import DemoFailedError, Stage, heading, line, show
from deployments.entry_point import exit_status, out
from deployments.foreground import print_addresses, stay
from deployments.local_stack import LocalStack, local_stack
from deployments.repository import ROOT
from tasks_lib.errors import SeedingError
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import list_pipelines
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings

CATALOGUE: Final = Path("examples/catalogue.yaml")
PATIENCE_SECONDS: Final = 300.0


class Failure(NamedTuple):
    """An act that failed or was too slow, and the reason."""

    title: str
    error: Exception


def main() -> int:
    """Run the demo in a temporary folder; return the exit status."""
    options = _parse(sys.argv[1:])
    with TemporaryDirectory(prefix="seeding-demo-", ignore_cleanup_errors=True) as folder:
        return exit_status(
            lambda: demo(Path(folder), keep=options.keep, patience_seconds=options.patience),
            interrupted=130,
        )


def demo(folder: Path, *, keep: bool, patience_seconds: float) -> None:
    """Show every way of creating tasks on the embedded defaults, and print a summary table.

    With ``keep`` the servers then run until Ctrl-C. An act that fails or takes longer than
    ``patience_seconds`` does not end the demo; DemoFailedError at the end says so.
    """
    started = time.monotonic()
    _forget_settings()
    os.environ["SEEDING_HOME"] = str(folder / "seeding")
    os.environ["TMPDIR"] = str(folder)  # Prefect leaves files behind in it
    heading("1. Start Prefect and the HTTP API")
    with (
        open_workspace(read_settings()) as workspace,
        local_stack(folder, os.environ, on_step=line) as stack,
        _use_server(stack),
    ):
        heading(f"2. Apply {CATALOGUE}: the pipelines and their fields")
        for pipeline in apply_catalogue(workspace.store, ROOT / CATALOGUE):
            line(f"{pipeline.outcome} {pipeline.path}")
        with _client(stack, workspace) as api:
            stage = Stage(
                stack=stack,
                workspace=workspace,
                api=api,
                folder=folder,
                patience_seconds=patience_seconds,
            )
            failures = list(_play(stage))
        heading("Summary: tasks by way of seeding")
        _print_ways(workspace)
        _print_failures(failures)
        if keep:
            _stay(stack, folder / "seeding")
    line(f"done in {time.monotonic() - started:.0f} s, and nothing is left behind")
    if failures:
        raise DemoFailedError(f"failed: {'; '.join(failure.title for failure in failures)}")
    line("next: `make up` starts a stack that stays, with the example catalogue and no tasks")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.demo",
        description="Show every way of creating tasks on a real Prefect server and worker. "
        "Everything runs in a temporary folder that is removed at the end.",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the servers running at the end, until Ctrl-C"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_SECONDS,
        metavar="SECONDS",
        help="how long an act waits for a result before it is marked as failed "
        "(default: %(default)s)",
    )
    return parser.parse_args(arguments)


def _play(stage: Stage) -> Iterator[Failure]:
    for number, (title, act) in enumerate(ACTS, 3):
        heading(f"{number}. {title}")
        yield from _attempt(f"{number}. {title}", act, stage)
    yield from _attempt("Wait for all flow runs", _wait_for_runs, stage)


def _attempt(title: str, act: Callable[[Stage], None], stage: Stage) -> Iterator[Failure]:
    try:
        act(stage)
    except (SeedingError, httpx.HTTPError) as error:
        line(f"FAILED: {error}")
        yield Failure(title, error)


def _wait_for_runs(stage: Stage) -> None:
    stage.wait(stage.is_idle, "a flow run has not ended")


def _print_ways(workspace: Workspace) -> None:
    """Print the ways in the order of their first group: tasks, pipeline and source of each."""
    table = Table("way", "tasks", "into", "from", box=None, padding=(0, 2, 0, 0))
    paths = [counted.pipeline.path for counted in list_pipelines(workspace.store)]
    groups = [(group, path) for path in paths for group in list_groups(workspace.store, path)]
    tasks: Counter[tuple[str, str, str]] = Counter()
    for group, path in sorted(groups):
        tasks[group.kind, path, group.source.removeprefix(f"{ROOT}/")] += group.tasks
    for (kind, path, source), count in tasks.items():
        table.add_row(kind, f"{count:,}", path, Text(source))
    show(table)


def _print_failures(failures: Sequence[Failure]) -> None:
    """Print the acts that are missing from the table, with the reasons."""
    for failure in failures:
        line(f"FAILED: {failure.title}: {failure.error}")


def _stay(stack: LocalStack, home: Path) -> None:
    """Keep the stack running until a signal; raise PrefectUnavailableError if a part ends."""
    out.print()
    print_addresses(stack, home)
    try:
        stay(stack)
    except KeyboardInterrupt:
        out.print("\nStopping.")


def _forget_settings() -> None:
    """Remove all settings of Prefect and of task-seeding from this process's environment."""
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "SEEDING_")):
            del os.environ[name]


@contextmanager
def _use_server(stack: LocalStack) -> Iterator[None]:
    """Use the stack's Prefect server in this process, instead of the caller's profile."""
    settings = {PREFECT_API_URL: stack.api_url}
    with temporary_settings(settings, restore_defaults={PREFECT_API_KEY, PREFECT_API_AUTH_STRING}):
        yield


def _client(stack: LocalStack, workspace: Workspace) -> httpx.Client:
    """Return a client of the HTTP API with a new key of the example's organization."""
    key, _ = create_key(workspace.store, "acme", name="demo", lifetime=None, at=datetime.now(UTC))
    return httpx.Client(base_url=stack.http_api_url, headers={"X-API-Key": key}, timeout=30)


if __name__ == "__main__":
    sys.exit(main())
