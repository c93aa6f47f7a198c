"""Infinite seeding: latency until the next task is available, failed claims, cost of the sensor.

First a local stack is started on a fresh database, whose worker runs the sensor. One contributor
claims the only task and then asks until there is another one: the time between is the latency. From
then on the sensor is ``seeding infinite run`` in a process of its own. Many contributors claim as
fast as they can until the target is reached, while as many tasks as contributors are kept
available. At last the sensor watches a hundred pipelines in which nothing happens, and its
processor time is taken.
"""

import argparse
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore
from typing import Final, NamedTuple

import yaml

from benchmarks.databases import Databases, open_databases
from benchmarks.load_once import own_environment
from deployments.local_stack import local_stack
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.infinite.manage import InfiniteRequest, enable, get_status
from tasks_lib.operations.infinite.sensor import is_sensor_running
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.store.engine import Store

_PROCESSES: Final = 4
_CLAIMERS: Final = 200
_CONNECTIONS: Final = 20
"""Connections that the clients of a process share; PostgreSQL accepts a hundred in total."""
_TARGET: Final = 10_000
_PIPELINES: Final = 100
_LOOK_SECONDS: Final = 0.5
"""Seconds after which a client without a task checks whether the target is reached."""
_IDLE_SECONDS: Final = 20.0
_START_SECONDS: Final = 180.0
_CONTEXT: Final = multiprocessing.get_context("spawn")


class Claims(NamedTuple):
    """The tasks that clients claimed, and the times of successful and failed claims."""

    tasks: list[int]
    claimed_at: list[float]
    in_vain_at: list[float]


def main() -> None:
    """Measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=100, help="whose latency is taken")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], action="append")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}\n")
    with TemporaryDirectory(prefix="infinite-") as folder:
        for kind in options.database or ["postgresql", "sqlite"]:
            with open_databases(kind, Path(folder)) as databases:
                print(f"## {databases.title}\n")
                _latency(databases, Path(folder), options.claims)
                _race(databases, Path(folder))
                _idle(databases, Path(folder))
                print()


def _latency(databases: Databases, folder: Path, claims: int) -> None:
    with databases.fresh() as url, _seeding(url, InfiniteRequest()) as store, _stack(url, folder):
        taken = [_time_to_next(store) for _ in range(claims)]
    middle, p95 = median(taken) * 1e3, quantiles(taken, n=100)[94] * 1e3
    print(f"- claim to next task, {claims} times: median {middle:.0f} ms, p95 {p95:.0f} ms")


def _time_to_next(store: Store) -> float:
    while claim_task(store, 1, "ann", at=datetime.now(UTC)) is None:
        time.sleep(0.001)
    began = time.monotonic()
    while not get_status(store, "1").available:
        time.sleep(0.001)
    return time.monotonic() - began


def _race(databases: Databases, folder: Path) -> None:
    with (
        databases.fresh() as url,
        _seeding(url, InfiniteRequest(target=_TARGET, keep_available=_CLAIMERS)) as store,
        _sensor(url, folder),
        _CONTEXT.Pool(_PROCESSES) as pool,
    ):
        found = pool.map(partial(_claim_all, url), range(_PROCESSES), chunksize=1)
        held = get_status(store, "1")
    tasks = [task for claims in found for task in claims.tasks]
    if len(set(tasks)) != len(tasks) or len(tasks) != _TARGET or held.total != _TARGET:
        raise RuntimeError(
            f"{held.total:,} tasks, {len(tasks):,} claims, {len(set(tasks)):,} taken"
        )
    claimed = [moment for claims in found for moment in claims.claimed_at]
    in_vain = [moment for claims in found for moment in claims.in_vain_at]
    counted_from, last = min(claimed) + 1, max(claimed)
    vain = sum(counted_from < moment < last for moment in in_vain)
    share = vain / (vain + sum(counted_from < moment for moment in claimed))
    print(
        f"- {_CLAIMERS} claimers, {_CLAIMERS} kept available: {len(tasks):,} tasks, each claimed "
        f"once, in {last - min(claimed):.1f} s; after the first second {share:.1%} of claims came "
        "back empty"
    )


def _claim_all(url: str, process: int) -> Claims:
    store, turn = Store.open(url), BoundedSemaphore(_CONNECTIONS)
    with ThreadPoolExecutor(_CLAIMERS // _PROCESSES) as threads:
        names = [f"{process}-{number}" for number in range(_CLAIMERS // _PROCESSES)]
        found = list(threads.map(partial(_claim_until_full, store, turn), names))
    store.close()
    return Claims(
        [task for claims in found for task in claims.tasks],
        [moment for claims in found for moment in claims.claimed_at],
        [moment for claims in found for moment in claims.in_vain_at],
    )


def _claim_until_full(store: Store, turn: BoundedSemaphore, name: str) -> Claims:
    claims = Claims([], [], [])
    look_at = time.monotonic()
    while True:
        with turn:
            claimed = claim_task(store, 1, name, at=datetime.now(UTC))
            now = time.monotonic()
            if claimed is not None:
                claims.tasks.append(claimed.id)
                claims.claimed_at.append(now)
                continue
            claims.in_vain_at.append(now)
            if now > look_at:
                stock = get_status(store, "1")
                if stock.total >= _TARGET and not stock.available:
                    return claims
                look_at = now + _LOOK_SECONDS


def _idle(databases: Databases, folder: Path) -> None:
    with (
        databases.fresh() as url,
        _seeding(url, InfiniteRequest(), pipelines=_PIPELINES),
        _sensor(url, folder) as sensor,
    ):
        before = _processor_seconds(sensor)
        time.sleep(_IDLE_SECONDS)
        used = _processor_seconds(sensor) - before
    print(f"- idle, {_PIPELINES} pipelines: {used / _IDLE_SECONDS:.2%} of a core")


@contextmanager
def _seeding(url: str, request: InfiniteRequest, pipelines: int = 1) -> Iterator[Store]:
    """Create a store with infinite seeding enabled for its pipelines."""
    store = Store.open(url)
    fields = [{"name": "idea", "type": "text", "source": "input"}]
    made = [
        {"name": f"ideas-{number}", "status": "active", "fields": fields}
        for number in range(pipelines)
    ]
    project = {"name": "ideas", "pipelines": made}
    catalogue = {"organizations": [{"name": "acme", "projects": [project]}]}
    with TemporaryDirectory() as folder:
        path = Path(folder, "catalogue.yaml")
        path.write_text(yaml.safe_dump(catalogue), "utf-8")
        apply_catalogue(store, path)
    for number in range(pipelines):
        enable(store, str(number + 1), request, at=datetime.now(UTC))
    yield store
    store.close()


@contextmanager
def _sensor(url: str, folder: Path) -> Iterator[int]:
    """Run the sensor until the block ends; yield its process id."""
    with (folder / "sensor.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tasks_lib", "infinite", "run"],
            env=_environment(url, folder) | {"PREFECT_HOME": str(folder / "prefect")},
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_watched(url)
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def _stack(url: str, folder: Path) -> Iterator[None]:
    """Run a local stack until the block ends; ``reconcile`` starts the sensor in it."""
    with TemporaryDirectory(dir=folder) as own, local_stack(Path(own), _environment(url, folder)):
        _wait_until_watched(url)
        yield


def _environment(url: str, folder: Path) -> dict[str, str]:
    settings = {"SEEDING_HOME": str(folder / "home"), "SEEDING_DATABASE_URL": url}
    return own_environment() | settings


def _wait_until_watched(url: str) -> None:
    store = Store.open(url)
    deadline = time.monotonic() + _START_SECONDS
    while not is_sensor_running(store, at=datetime.now(UTC)):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no sensor came within {_START_SECONDS:g} seconds")
        time.sleep(0.1)
    store.close()


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
