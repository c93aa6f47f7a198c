"""Share of the counts by group in the cost of a claim.

One client claims from one pipeline in turns: some claims that count the tasks of the pipeline and
of its groups, as many that count those of the pipeline only, on the same database in the same
process. On PostgreSQL it is the function alone, over bare psycopg; on SQLite the whole claim.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import psycopg
from sqlalchemy import make_url

from benchmarks.databases import Databases, make_store, make_tasks, open_databases
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks import counts

_TURN: Final = 20
_WARM_UP: Final = 200
_BY_GROUP: Final = "task.group_id, -1, 1"
_BY_PIPELINE: Final = "0, -1, 1"
"""The counts that the function of a claim writes, and those without the group."""

Claim = Callable[[], None]


class Claims(NamedTuple):
    """Two claims: with the counts by group, and without."""

    counted: Claim
    uncounted: Claim


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.group_counts", description=__doc__)
    parser.add_argument("--turns", type=int, default=500, help="of each claim")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], action="append")
    options = parser.parse_args()
    if options.turns < 2:
        parser.error("there must be two turns at least")
    print(f"Python {platform.python_version()}, psycopg {version('psycopg')}\n")
    print("| claims | with counts by group | without | ratio, middle half of the turns |")
    print("| --- | ---: | ---: | ---: |")
    for kind in options.database or ["postgresql", "sqlite"]:
        with (
            TemporaryDirectory(prefix="group-counts-") as folder,
            open_databases(kind, Path(folder)) as databases,
        ):
            print(_measure(databases, options.turns), flush=True)


def _measure(databases: Databases, turns: int) -> str:
    with databases.fresh() as url:
        make_store(url, with_group=True)
        make_tasks(url, 2 * (turns * _TURN + _WARM_UP))
        opened = _postgresql if databases.title.startswith("PostgreSQL") else _sqlite
        with opened(url) as claims:
            for claim in claims:
                _time(claim, _WARM_UP)
            # The order changes, so that neither always follows the other.
            pairs = [_pair(claims, swapped=turn % 2 == 1) for turn in range(turns)]
    counted = median(pair[0] for pair in pairs) / _TURN
    uncounted = median(pair[1] for pair in pairs) / _TURN
    low, middle, high = quantiles([pair[0] / pair[1] for pair in pairs], n=4)
    return (
        f"| {databases.title}, {2 * turns * _TURN:,} claims | {counted * 1e3:.3f} ms "
        f"| {uncounted * 1e3:.3f} ms | {middle:.3f}, {low:.3f} to {high:.3f} |"
    )


def _pair(claims: Claims, *, swapped: bool) -> tuple[float, float]:
    if swapped:
        uncounted = _time(claims.uncounted, _TURN)
        return _time(claims.counted, _TURN), uncounted
    return _time(claims.counted, _TURN), _time(claims.uncounted, _TURN)


def _time(claim: Claim, times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        claim()
    return time.perf_counter() - started


@contextmanager
def _postgresql(url: str) -> Iterator[Claims]:
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute("SELECT pg_get_functiondef('seeding_claim'::regproc)").fetchone()
        source = str(row[0]) if row is not None else ""
        if source.count(_BY_GROUP) != 1:
            sys.exit(f"the function does not write {_BY_GROUP!r} once")
        uncounted = source.replace(_BY_GROUP, _BY_PIPELINE).replace("seeding_claim", "claim_alone")
        connection.execute(uncounted.encode())

        def claim(function: str) -> None:
            statement = f"SELECT * FROM {function}(1, 'ann', %s)".encode()
            assert connection.execute(statement, [datetime.now(UTC)]).fetchone()  # noqa: S101

        yield Claims(lambda: claim("seeding_claim"), lambda: claim("claim_alone"))


@contextmanager
def _sqlite(url: str) -> Iterator[Claims]:
    store = Store.open(url)
    additions = vars(counts)["_additions"]

    def only_to_pipeline(*, on_postgresql: bool, has_own_row: bool) -> list[str]:
        statements: list[str] = additions(on_postgresql=on_postgresql, has_own_row=has_own_row)
        return statements[1:]

    def claim(build: object) -> None:
        vars(counts)["_additions"] = build
        assert claim_task(store, 1, "ann", at=store.now()) is not None  # noqa: S101

    try:
        yield Claims(lambda: claim(additions), lambda: claim(only_to_pipeline))
    finally:
        vars(counts)["_additions"] = additions
        store.close()


if __name__ == "__main__":
    main()
