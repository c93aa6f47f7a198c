"""Throughput of claims: our operation compared with a bare loop around one statement.

Eight clients claim from one pipeline for some seconds, each a process with a connection of its own.
The baseline sends one statement that does the same over psycopg, see ``bare_claim``; ours takes a
connection from the pool, claims, and reads the whole task. Then ours claims at half the
baseline's rate, and each claim is timed. They take turns on fresh databases; rates are medians.
SQLite has no baseline of its own: what it does is stated.
"""

import argparse
import multiprocessing
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import psycopg
from sqlalchemy import make_url, text

from benchmarks.bare_claim import BARE_CLAIM
from benchmarks.databases import Databases, make_store, make_tasks, open_databases
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.store.engine import Store

_CLIENTS: Final = 8
_TASKS: Final = 60_000
_CUTS: Final = {"median": 49, "p95": 94, "p99": 98}
_CONTEXT: Final = multiprocessing.get_context("spawn")

Claim = Callable[[], bool]
"""Claims a task; returns False if none is available."""


class Load(NamedTuple):
    """The code under test, the database, the duration, and the rate limit of each client."""

    claimer: str
    url: str
    seconds: float
    rate: float | None = None


class Outcome(NamedTuple):
    """The claims of a client, the seconds they took in total, and the latency of each."""

    claims: int
    seconds: float
    latencies: list[float]


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="of each run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], action="append")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, psycopg {version('psycopg')}, {_CLIENTS} clients\n")
    with TemporaryDirectory(prefix="claims-") as folder:
        for kind in options.database or ["postgresql", "sqlite"]:
            with open_databases(kind, Path(folder)) as databases:
                _measure(databases, options.seconds, options.repeats)


def _measure(databases: Databases, seconds: float, repeats: int) -> None:
    claimers = ["bare", "ours"] if databases.title.startswith("PostgreSQL") else ["ours"]
    rates: dict[str, list[float]] = {claimer: [] for claimer in claimers}
    for _ in range(repeats):
        for claimer in claimers:
            rates[claimer].append(_rate(_run(databases, claimer, seconds)))
            print(f"{claimer}: {rates[claimer][-1]:,.0f} claims a second", file=sys.stderr)
    print(f"## {databases.title}\n\n| claims | a second | of the baseline |\n| --- | ---: | ---: |")
    base = median(rates[claimers[0]])
    for claimer in claimers:
        share = f"{median(rates[claimer]) / base:.0%}" if "bare" in claimers else ""
        print(f"| {claimer} | {median(rates[claimer]):,.0f} | {share} |")
    paced = [
        latency
        for outcome in _run(databases, "ours", seconds, rate=base / 2 / _CLIENTS)
        for latency in outcome.latencies
    ]
    cuts = quantiles(paced, n=100)
    print(
        f"\nAt {base / 2:,.0f} claims a second ({len(paced):,} timed): "
        + ", ".join(f"{name} {cuts[at] * 1e3:.1f} ms" for name, at in _CUTS.items())
        + "\n"
    )


def _rate(outcomes: list[Outcome]) -> float:
    return sum(outcome.claims for outcome in outcomes) / max(
        outcome.seconds for outcome in outcomes
    )


def _run(
    databases: Databases, claimer: str, seconds: float, rate: float | None = None
) -> list[Outcome]:
    with databases.fresh() as url:
        make_store(url, with_group=True)
        make_tasks(url, _TASKS)
        start = _CONTEXT.Barrier(_CLIENTS)
        load = Load(claimer, url, seconds, rate)
        with _CONTEXT.Pool(_CLIENTS, initializer=_remember, initargs=(start,)) as pool:
            outcomes = pool.map(partial(_client, load), range(_CLIENTS), chunksize=1)
        _check(url, sum(outcome.claims for outcome in outcomes))
    return outcomes


def _check(url: str, claims: int) -> None:
    """Raise RuntimeError unless each counted claim got a task of its own."""
    store = Store.open(url)
    with store.read() as session:
        taken = session.scalar(text("SELECT count(*) FROM tasks WHERE status = 'in_progress'"))
    store.close()
    if taken != claims or claims >= _TASKS:
        raise RuntimeError(f"{claims:,} claims took {taken:,} of {_TASKS:,} tasks")


_start: Barrier


def _remember(barrier: Barrier) -> None:
    global _start  # noqa: PLW0603 - a barrier is handed to a pool's processes only like this
    _start = barrier


def _client(load: Load, number: int) -> Outcome:
    opened = {"bare": _bare, "ours": _ours}[load.claimer]
    with opened(load.url, f"client-{number}") as claim:
        claim()  # a warm-up
        _start.wait()
        began = time.monotonic()
        latencies = list(_claims(claim, began, load))
        return Outcome(len(latencies) + 1, time.monotonic() - began, latencies)


def _claims(claim: Claim, began: float, load: Load) -> Iterator[float]:
    """Claim until the time is over; with a rate, on schedule, and late claims at once."""
    number = 0
    while (now := time.monotonic()) < began + load.seconds:
        due = began + number / load.rate if load.rate is not None else now
        if due > now:
            time.sleep(due - now)
        if not claim():
            return
        yield time.monotonic() - max(due, now)
        number += 1


@contextmanager
def _bare(url: str, contributor: str) -> Iterator[Claim]:
    parameters = {"pipeline_id": 1, "limit": 1, "by": contributor}
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:

        def claim() -> bool:
            given = {**parameters, "at": datetime.now(UTC)}
            return connection.execute(BARE_CLAIM, given).fetchone() is not None

        yield claim


@contextmanager
def _ours(url: str, contributor: str) -> Iterator[Claim]:
    store = Store.open(url)
    pipeline = find_pipeline(store, "1")
    yield lambda: claim_task(store, pipeline.id, contributor, at=datetime.now(UTC)) is not None
    store.close()


if __name__ == "__main__":
    main()
