"""Time what may depend on the number of tasks: pages, counts, claims, pauses, old transactions.

Each size gets a fresh store with one pipeline and two groups, four fifths and one fifth of the
tasks. The first half of each group is finished, the rest is pending. Every figure is the median of
some repeats. Last, an old transaction stays open on PostgreSQL while tasks are claimed, and claims
are timed before and after.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import yaml
from sqlalchemy import create_engine, text

from benchmarks.databases import Databases, make_store, open_databases
from benchmarks.generate import write_catalogue
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_counted_pipeline
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.tasks.read import list_tasks_after
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.counts import add_counts, get_group_counts

_SIZES: Final = (100_000, 2_000_000, 10_000_000)
_PAGE: Final = 50
_REPEATS: Final = 15
_CLAIMS: Final = 500
_VALUES: Final = (
    '{"review_id":"R1","body":"Arrived two days early and works as described.","stars":5}'
)
_FILL: Final = """
    INSERT INTO tasks (pipeline_id, group_id, row, status, predefined, filled_in, finished_at,
        finish_number)
    SELECT 1, :group_id, n, CASE WHEN n <= :finished THEN 'finished' ELSE 'pending' END,
        :predefined, CASE WHEN n <= :finished THEN CAST('{}' AS json) END,
        CASE WHEN n <= :finished THEN CURRENT_TIMESTAMP END, CASE WHEN n <= :finished THEN n END
    FROM """
_NUMBERS: Final = {
    True: "generate_series(1, :count) AS n",
    False: "(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
    " WHERE n < :count) SELECT n FROM numbers) AS numbers",
}


class Figure(NamedTuple):
    """The name of a measurement, and its milliseconds."""

    name: str
    milliseconds: float


def main() -> None:
    """Measure, and print a table in Markdown for each database."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.depth", description=__doc__)
    parser.add_argument("--tasks", type=int, action="append", help="by default 0.1, 2 and 10 M")
    parser.add_argument("--claims", type=int, default=20_000, help="beside an old transaction")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], action="append")
    options = parser.parse_args()
    for kind in options.database or ["postgresql", "sqlite"]:
        with (
            TemporaryDirectory(prefix="depth-") as folder,
            open_databases(kind, Path(folder)) as databases,
        ):
            sizes = options.tasks or _SIZES
            columns = [_measure(databases, size, options.claims) for size in sizes]
            _print(databases.title, sizes, columns)


def _print(title: str, sizes: Sequence[int], columns: Sequence[Sequence[Figure]]) -> None:
    print(f"## {title}\n\n| milliseconds | {' | '.join(f'{size:,} tasks' for size in sizes)} |")
    print(f"| --- |{' ---: |' * len(sizes)}")
    for figures in zip(*columns, strict=True):
        numbers = " | ".join(f"{figure.milliseconds:,.2f}" for figure in figures)
        print(f"| {figures[0].name} | {numbers} |")
    print()


def _measure(databases: Databases, size: int, claims: int) -> list[Figure]:
    with databases.fresh() as url, TemporaryDirectory() as folder:
        make_store(url, with_group=True)
        store = Store.open(url)
        began = time.monotonic()
        _fill(store, size)
        print(f"{size:,} tasks created in {time.monotonic() - began:.0f} s", file=sys.stderr)
        figures = [
            *_pages(store, size),
            *_counts(store),
            *_pauses(store, Path(folder)),
            *_claims(store, claims),
        ]
        store.close()
    return figures


def _fill(store: Store, size: int) -> None:
    """Create the tasks of the first group, which exists, and of a second one, and count them."""
    with store.write() as session:
        session.execute(
            text(
                "INSERT INTO task_groups (pipeline_id, kind, seed_key, source, created_at,"
                " task_count, rejected_count)"
                " VALUES (1, 'csv', 'second', 'second', CURRENT_TIMESTAMP, 0, 0)"
            )
        )
        for group_id, count in ((1, size * 4 // 5), (2, size // 5)):
            numbers = {"group_id": group_id, "count": count, "finished": count // 2}
            statement = text(_FILL + _NUMBERS[store.is_postgresql])
            session.execute(statement, {**numbers, "predefined": _VALUES})
            session.execute(
                text("UPDATE task_groups SET task_count = :count WHERE id = :group_id"), numbers
            )
            finished = count // 2
            changes = {TaskStatus.FINISHED: finished, TaskStatus.PENDING: count - finished}
            add_counts(session, 1, changes, group_id=group_id)
    engine = create_engine(store.engine.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM ANALYZE tasks" if store.is_postgresql else "ANALYZE"))
    engine.dispose()


def _pages(store: Store, size: int) -> list[Figure]:
    """Time the first page and one near the end of each list."""
    half, most = size // 2, size * 4 // 5
    wanted: list[tuple[str, int, int | None, TaskStatus | None]] = [
        ("all", size - _PAGE, None, None),
        ("finished", half - _PAGE, None, TaskStatus.FINISHED),
        ("pending", size - _PAGE, None, TaskStatus.PENDING),
        ("of the larger group", most - _PAGE, 1, None),
        ("of the larger group, finished", most // 2 - _PAGE, 1, TaskStatus.FINISHED),
        ("of the smaller group, pending", size - _PAGE, 2, TaskStatus.PENDING),
    ]

    def page(after: int, group_id: int | None, status: TaskStatus | None) -> None:
        list_tasks_after(store, "1", after, group_id=group_id, status=status, limit=_PAGE)

    return [
        _time(f"{name} page of tasks, {which}", partial(page, at, group_id, status))
        for which, last, group_id, status in wanted
        for name, at in (("first", 0), ("last", last))
    ]


def _counts(store: Store) -> list[Figure]:
    def of_group() -> None:
        with store.read() as session:
            get_group_counts(session, 1, [1])

    return [
        _time("counts of the pipeline by status", lambda: find_counted_pipeline(store, 1)),
        _time("counts of a group by status", of_group),
    ]


def _pauses(store: Store, folder: Path) -> list[Figure]:
    paths = {status: folder / f"{status}.yaml" for status in ("paused", "active")}
    for status, path in paths.items():
        write_catalogue(path)
        catalogue = yaml.safe_load(path.read_text("utf-8"))
        catalogue["organizations"][0]["projects"][0]["pipelines"][0]["status"] = status
        path.write_text(yaml.safe_dump(catalogue, sort_keys=False), "utf-8")

    def switch() -> None:
        for path in paths.values():
            apply_catalogue(store, path)

    return [_time("pausing and resuming the pipeline", switch)]


def _claims(store: Store, claims: int) -> list[Figure]:
    """Time claims, and again after many beside a transaction that stays open."""

    def claim() -> None:
        if claim_task(store, 1, "contributor", at=datetime.now(UTC)) is None:
            raise RuntimeError("no task was left to claim")

    figures = [_time("a claim", claim, _CLAIMS)]
    if store.is_postgresql:
        with _old_transaction(store):
            for _ in range(claims):
                claim()
            figures.append(
                _time(f"a claim after {claims:,} beside an old transaction", claim, _CLAIMS)
            )
    return figures


@contextmanager
def _old_transaction(store: Store) -> Iterator[None]:
    """Keep a transaction open that could read all that the store held when it began."""
    engine = create_engine(store.engine.url, isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        connection.execute(text("SELECT count(*) FROM task_groups"))
        yield
    engine.dispose()


def _time(name: str, act: Callable[[], object], repeats: int = _REPEATS) -> Figure:
    act()  # a warm-up
    durations = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        durations.append(time.perf_counter() - began)
    return Figure(name, 1_000 * median(durations))


if __name__ == "__main__":
    main()
