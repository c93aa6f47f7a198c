"""Speed of firing a chain: our operation compared with one INSERT ... SELECT, on PostgreSQL.

Each drain runs in a process of its own, and both in copies of one database in which the finished
tasks wait; they take turns, so that a busy minute of the machine falls on both. The tasks of both
are compared before a time counts. The table's seconds are medians.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import text

from benchmarks.databases import (
    Databases,
    administer,
    copy_database,
    make_store,
    open_databases,
    query,
)
from benchmarks.load_once import load_once, loading_environment
from deployments.repository import ROOT
from tasks_lib.domain.chains import Trigger
from tasks_lib.operations.chains.manage import ChainRequest, create_chain
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

_LOADERS: Final = {
    "chain_insert_select": "**baseline**: one INSERT ... SELECT, checks nothing",
    "chain_drain": "our drain: map, check, copy",
}
_FINISHED: Final = (
    "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined, filled_in, finished_at)"
    " SELECT 1, 1, n, 'finished', json_build_object('review_id', n::text, 'body',"
    " repeat('words of a review ', 10), 'stars', n % 5 + 1), '{\"sentiment\":\"good\"}', now()"
    " FROM generate_series(1, :count) n"
)
_MADE: Final = (
    "SELECT count(*), count(DISTINCT origin_id), sum(hashtext(predefined::jsonb::text)::bigint),"
    " (SELECT count(*) FROM chain_inbox)"
    " FROM tasks WHERE pipeline_id = (SELECT target_pipeline_id FROM chains)"
)


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chain_drain", description=__doc__)
    parser.add_argument("--tasks", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.tasks < 1 or options.repeats < 1:
        parser.error("there must be one task and one repeat at least")
    seconds: dict[str, list[float]] = {loader: [] for loader in _LOADERS}
    with TemporaryDirectory(prefix="chain-drain-") as name:
        folder = Path(name)
        with (
            open_databases("postgresql", folder) as databases,
            filled(databases, options.tasks) as full,
        ):
            for _ in range(options.repeats):
                made = {
                    _timed(databases, folder, full, loader, seconds[loader]) for loader in _LOADERS
                }
                if len(made) > 1 or next(iter(made))[0] != options.tasks:
                    raise RuntimeError(f"the drains made different tasks: {made}")
            print(
                f"Python {platform.python_version()}, {os.cpu_count()} cores, {databases.title}\n"
            )
    print("\n".join(_table(options.tasks, seconds)))


@contextmanager
def filled(databases: Databases, count: int) -> Iterator[str]:
    """Create a database in which ``count`` finished tasks wait for a chain."""
    with databases.fresh() as url:
        make_store(
            url,
            with_group=True,
            write_catalogue=lambda path: copy(ROOT / "examples" / "catalogue.yaml", path),
        )
        with open_workspace(read_settings(database_url=url)) as workspace:
            with workspace.store.write() as session:
                session.execute(text(_FINISHED), {"count": count})
            request = ChainRequest(
                target="acme/qa/check-labels",
                source="acme/reviews/label-reviews",
                trigger=Trigger.TASK_COMPLETION,
                include_existing=True,
            )
            create_chain(workspace, request, at=datetime.now(UTC))
        administer(url, "VACUUM ANALYZE")
        yield url


def _timed(
    databases: Databases, folder: Path, filled: str, loader: str, seconds: list[float]
) -> tuple[int, ...]:
    """Fire the chain in a copy, and return the fingerprint of its tasks."""
    environment = loading_environment(folder, programs=None, prefect_api_url="")
    with databases.fresh() as url:
        copy_database(filled, url)
        seconds.append(load_once(loader, url, folder, environment=environment).seconds)
        made = query(url, _MADE)
    print(f"{loader}: {made[0]:,} tasks, {seconds[-1]:.2f} s", file=sys.stderr)
    return made


def _table(count: int, seconds: dict[str, list[float]]) -> Iterator[str]:
    baseline = median(seconds["chain_insert_select"])
    yield f"| {count:,} waiting tasks | seconds | tasks a second | times the baseline |"
    yield "| --- | ---: | ---: | ---: |"
    for loader, name in _LOADERS.items():
        middle = median(seconds[loader])
        yield f"| {name} | {middle:.2f} | {count / middle:,.0f} | {middle / baseline:.2f} |"


if __name__ == "__main__":
    main()
