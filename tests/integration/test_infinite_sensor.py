"""The sensor reacts to every claim at once, and survives kills, outages and other sensors."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from children import CHILDREN
from infinite import copies, enable_copying
from people import AT, PATH, counts, recount
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import StoreUnavailableError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.infinite.manage import InfiniteRequest, enable
from tasks_lib.operations.infinite.sensor import (
    Activity,
    LastHour,
    Sensor,
    SensorResult,
    is_sensor_missing,
    is_sensor_running,
)
from tasks_lib.operations.infinite.stock import Snapshot
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store

KILLS = 20


class Running:
    """A sensor in a thread, and its result or error."""

    def __init__(self, sensor: Sensor) -> None:
        self.ended: SensorResult | None = None
        self._sensor = sensor
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.ended = self._sensor.run()

    def join(self) -> SensorResult:
        self._thread.join(PATIENCE_SECONDS)
        assert self.ended is not None
        return self.ended


@contextmanager
def watching(store: Store, name: str = "first") -> Iterator[Running]:
    """Run a sensor while a block lasts; another one then takes its place."""
    running = Running(Sensor(store, name, life=None))
    wait_until(lambda: is_sensor_running(store, at=datetime.now(UTC)))
    yield running
    Sensor(store, "last", takes_over=name, life=timedelta(0)).run()
    running.join()


def claim(store: Store) -> bool:
    return claim_task(store, 1, "ann", at=datetime.now(UTC)) is not None


def available(store: Store) -> int:
    return counts(store).by_status[TaskStatus.PENDING]


def has_tasks(store: Store, total: int) -> bool:
    return counts(store).total == total


def test_a_claim_by_another_process_is_answered_at_once(workspace: Workspace) -> None:
    store = workspace.store
    url = store.engine.url.render_as_string(hide_password=False)
    enable(store, PATH, InfiniteRequest(), at=AT)
    with watching(store):
        for number in range(1, 6):
            child = CHILDREN.Process(target=_claim_once, args=(url,))
            child.start()
            wait_until(partial(has_tasks, store, number + 1))
            child.join()
    assert counts(store) == recount(store)


def _claim_once(url: str) -> None:
    store = Store.open(url)
    claim_task(store, 1, "bob", at=datetime.now(UTC))
    store.close()


def test_a_second_sensor_ends_and_one_that_takes_over_ends_the_first(workspace: Workspace) -> None:
    store = workspace.store
    enable(store, PATH, InfiniteRequest(), at=AT)
    first = Running(Sensor(store, "first", life=None))
    wait_until(lambda: is_sensor_running(store, at=datetime.now(UTC)))
    assert Sensor(store, "second").run() == SensorResult(0, "another sensor is running")
    second = Running(Sensor(store, "second", takes_over="first", life=None))
    assert first.join().why == "the next sensor is running"
    assert claim(store)
    wait_until(lambda: available(store) == 1)
    Sensor(store, "third", takes_over="second", life=timedelta(0)).run()
    assert second.join() == SensorResult(1, "the next sensor is running")


def test_an_expired_sensor_has_the_next_one_started_and_waits_for_it(
    workspace: Workspace,
) -> None:
    store = workspace.store
    enable(store, PATH, InfiniteRequest(), at=AT)
    started: list[Running] = []

    def start_next() -> None:
        started.append(Running(Sensor(store, "second", takes_over="first", life=None)))

    first = Sensor(store, "first", life=timedelta(seconds=1), hand_over=start_next)
    assert first.run().why == "the next sensor is running"
    assert len(started) == 1
    assert is_sensor_running(store, at=datetime.now(UTC))
    Sensor(store, "third", takes_over="second", life=timedelta(0)).run()
    started[0].join()


def test_a_sensor_that_ends_releases_its_place_to_the_next(workspace: Workspace) -> None:
    store = workspace.store
    enable(store, PATH, InfiniteRequest(), at=AT)
    assert is_sensor_missing(store, at=datetime.now(UTC))
    assert Sensor(store, "first", life=timedelta(0)).run() == SensorResult(0, "its time is over")
    assert is_sensor_missing(store, at=datetime.now(UTC))
    assert Sensor(store, "second", life=timedelta(0)).run() == SensorResult(0, "its time is over")


def test_the_last_hour_counts_each_task_once() -> None:
    activity = Activity()
    activity.record(Snapshot(1, (1,), {1: 5}, {1: 7}, 0), {1: 2}, AT)  # seven existed before
    assert activity.last_hour == LastHour(0, 2, 1, 0)
    activity.record(Snapshot(1, (), {1: 8}, {1: 12}, 1), {}, AT + timedelta(minutes=1))
    assert activity.last_hour == LastHour(3, 5, 1, 1)  # three of them by claims that found no task
    activity.record(Snapshot(1, (), {1: 8}, {1: 12}, 1), {}, AT + timedelta(minutes=60))
    assert activity.last_hour == LastHour(3, 3, 1, 1)


def test_the_last_hour_is_counted_across_sensors(workspace: Workspace) -> None:
    store = workspace.store
    reports: list[LastHour] = []
    enable(store, PATH, InfiniteRequest(target=3), at=AT)
    first = Running(Sensor(store, "first", life=None, show=reports.append))
    wait_until(lambda: is_sensor_running(store, at=datetime.now(UTC)))
    wait_until(lambda: bool(reports) and reports[-1].enabled == 1)
    for _ in range(3):
        wait_until(lambda: claim(store))
    wait_until(lambda: reports[-1] == LastHour(3, 2, 1, 1))
    Sensor(store, "second", takes_over="first", life=timedelta(0), show=reports.append).run()
    first.join()
    assert reports[-1][:2] == (3, 2)


def test_the_next_sensor_continues_after_a_kill_and_duplicates_nothing(
    workspace: Workspace, tmp_path: Path
) -> None:
    chance = random.Random(4)
    store = workspace.store
    url = store.engine.url.render_as_string(hide_password=False)
    enable_copying(workspace, tmp_path, 3, InfiniteRequest(keep_available=5))
    claims = 0
    for number in range(KILLS):
        child = CHILDREN.Process(target=_watch, args=(url, f"sensor-{number}"))
        child.start()
        ends = time.monotonic() + chance.uniform(0.05, 0.5)
        while time.monotonic() < ends:
            claims += claim(store)
        child.kill()
        child.join()
        expire_lease(store)
    with watching(store):
        wait_until(lambda: available(store) == 5)
    assert counts(store) == recount(store)
    assert counts(store).total == 3 + claims + 5
    assert [copied for copied, _ in copies(store)] == [n % 3 + 1 for n in range(claims + 5)]


def expire_lease(store: Store) -> None:
    """Backdate the heartbeat of the last sensor."""
    with store.write() as session:
        session.execute(
            text("UPDATE sensors SET seen_at = :then"),
            {"then": AT if store.is_postgresql else AT.isoformat(" ")},
        )


def _watch(url: str, name: str) -> None:
    Sensor(Store.open(url), name, life=None).run()


def test_a_sensor_survives_an_outage_of_its_database(
    postgresql: str, postgresql_store_url: str, catalogue_file: Path
) -> None:
    store = Store.open(postgresql_store_url)
    apply_catalogue(store, catalogue_file)
    enable(store, PATH, InfiniteRequest(), at=AT)
    name = store.engine.url.database
    sensor = Running(Sensor(store, "first", life=None))
    wait_until(lambda: is_sensor_running(store, at=datetime.now(UTC)))
    with psycopg.connect(postgresql, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        back_at = time.monotonic() + 3  # it tries to connect each second
        while time.monotonic() < back_at:
            with pytest.raises(StoreUnavailableError):
                available(store)
            time.sleep(0.2)
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    assert claim(store)
    wait_until(lambda: available(store) == 1)
    Sensor(store, "last", takes_over="first", life=timedelta(0)).run()
    assert sensor.join() == SensorResult(1, "the next sensor is running")
    store.close()
