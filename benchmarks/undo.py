"""How long the undo of a large group takes while others claim, on both databases.

A pipeline has two groups: the one that is undone, and one whose tasks come after it. Four
processes claim from the pipeline meanwhile. Each claim is timed; the counts are checked at the end.
"""

import argparse
import multiprocessing
import sys
import time
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from sqlalchemy import text

from benchmarks.databases import Databases, make_store, open_databases
from tasks_lib.domain.statuses import GroupState
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.counts import get_counts

_CLAIMERS: Final = 4
_OTHERS: Final = 100_000
_PAUSE_SECONDS: Final = 0.05
_CONTEXT: Final = multiprocessing.get_context("spawn")


class Measured(NamedTuple):
    """The seconds of the undo, the tasks it removed, and the latencies of the claims beside it."""

    seconds: float
    removed: int
    latencies: list[float]


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], action="append")
    options = parser.parse_args()
    print("| database | removed | seconds | claims beside it | median | p99 | longest |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with TemporaryDirectory(prefix="undo-") as folder:
        for kind in options.database or ["postgresql", "sqlite"]:
            with open_databases(kind, Path(folder)) as databases:
                measured = _measure(databases, options.tasks)
            cuts = quantiles(measured.latencies, n=100)
            numbers = (cuts[49], cuts[98], max(measured.latencies))
            latencies = " | ".join(f"{number * 1e3:.0f} ms" for number in numbers)
            print(
                f"| {databases.title} | {measured.removed:,} | {measured.seconds:.1f} "
                f"| {len(measured.latencies):,} | {latencies} |"
            )


def _measure(databases: Databases, tasks: int) -> Measured:
    with databases.fresh() as url:
        make_store(url, with_group=True)
        store = Store.open(url)
        _make_tasks(store, tasks)
        stop, claims = _CONTEXT.Event(), _CONTEXT.Queue()
        claimers = [
            _CONTEXT.Process(target=_claim, args=(url, number, stop, claims))
            for number in range(_CLAIMERS)
        ]
        for claimer in claimers:
            claimer.start()
        for _ in claimers:
            claims.get()  # it is ready
        began = time.monotonic()
        report = undo_group(store, 1, by="benchmark", at=datetime.now(UTC))
        seconds = time.monotonic() - began
        stop.set()
        latencies = [latency for _ in claimers for latency in claims.get()]
        for claimer in claimers:
            claimer.join()
        _check(store, report.state, tasks + _OTHERS - report.removed)
        store.close()
    print(f"{databases.title}: {seconds:.1f} s", file=sys.stderr)
    return Measured(seconds, report.removed, latencies)


def _claim(url: str, number: int, stop: Event, claims: "Queue[list[float]]") -> None:
    store = Store.open(url)
    latencies: list[float] = []
    claim_task(store, 1, f"claimer-{number}", at=datetime.now(UTC))  # a warm-up
    claims.put([])
    while not stop.is_set():
        began = time.monotonic()
        claim_task(store, 1, f"claimer-{number}", at=datetime.now(UTC))
        latencies.append(time.monotonic() - began)
        time.sleep(_PAUSE_SECONDS)
    claims.put(latencies)
    store.close()


def _make_tasks(store: Store, tasks: int) -> None:
    with store.write() as session:
        session.execute(
            text(
                "INSERT INTO task_groups (pipeline_id, kind, seed_key, source, created_at,"
                " task_count, rejected_count) SELECT pipeline_id, kind, 'others', source,"
                " created_at, :count, 0 FROM task_groups WHERE id = 1"
            ),
            {"count": _OTHERS},
        )
        for group_id, count in ((1, tasks), (2, _OTHERS)):
            session.execute(
                text(
                    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
                    ' WHERE n < :count) INSERT INTO tasks (pipeline_id, group_id, "row", status,'
                    " predefined) SELECT 1, :group_id, n, 'pending',"
                    ' \'{"review_id":"1","body":"Arrived early, works as advertised."}\''
                    " FROM numbers"
                ),
                {"count": count, "group_id": group_id},
            )
        session.execute(
            text("UPDATE task_groups SET task_count = :count WHERE id = 1"), {"count": tasks}
        )
        session.execute(
            text("INSERT INTO task_counts (pipeline_id, slot, pending) VALUES (1, 0, :count)"),
            {"count": tasks + _OTHERS},
        )
        session.execute(
            text("INSERT INTO group_counts (group_id, pending) VALUES (1, :tasks), (2, :others)"),
            {"tasks": tasks, "others": _OTHERS},
        )
    with store.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


def _check(store: Store, state: GroupState, left: int) -> None:
    """Raise RuntimeError unless the group is undone and the counts equal the rows."""
    with store.read() as session:
        rows = session.scalar(text("SELECT count(*) FROM tasks"))
        counted = get_counts(session, 1).total
    if (state, rows, counted) != (GroupState.UNDONE, left, left):
        raise RuntimeError(f"{state}: {rows:,} rows, {counted:,} counted, {left:,} expected")


if __name__ == "__main__":
    main()
