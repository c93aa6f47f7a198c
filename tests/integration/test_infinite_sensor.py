"""The sensor: it wakes at once, whoever claims, and neither death nor loss nor company harms."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from children import CHILDREN
from infinite import copies, enable_copying
from people import AT, PATH, counts, recounted
from servers import wait_until
from tasks_lib.errors import StoreUnavailableError
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.infinite_seeding import Wish, enable
from tasks_lib.operations.infinite_sensor import (
    Activity,
    Ended,
    LastHour,
    Sensor,
    is_wanted,
    is_watched,
)
from tasks_lib.operations.lifecycle import claim_by_number
from tasks_lib.operations.topping_up import Shortage
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store

KILLS = 20


class Running:
    """A sensor in a thread, and how it ended."""

    def __init__(self, sensor: Sensor) -> None:
        self.ended: Ended | None = None
        self._sensor = sensor
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.ended = self._sensor.run()

    def join(self) -> Ended:
        self._thread.join(30)
        assert self.ended is not None
        return self.ended


@contextmanager
def watching(store: Store, name: str = "first") -> Iterator[Running]:
    """Have a sensor watch for as long as a block lasts; another one takes its place then."""
    running = Running(Sensor(store, name, life=None))
    wait_until(lambda: is_watched(store, at=datetime.now(UTC)))
    yield running
    Sensor(store, "last", takes_over=name, life=timedelta(0)).run()
    running.join()


def claim(store: Store) -> bool:
    return claim_by_number(store, 1, "ann", at=datetime.now(UTC)) is not None


def available(store: Store) -> int:
    return counts(store).by_status["pending"]  # type: ignore[index]


def test_a_claim_by_another_process_is_answered_at_once(workspace: Workspace) -> None:
    store = workspace.store
    url = store.engine.url.render_as_string(hide_password=False)
    enable(store, PATH, Wish(), at=AT)
    with watching(store):
        for number in range(1, 6):
            child = CHILDREN.Process(target=_claim_once, args=(url,))
            child.start()
            wait_until(lambda n=number: counts(store).total == n + 1)  # type: ignore[misc]
            child.join()
    assert counts(store) == recounted(store)


def _claim_once(url: str) -> None:
    store = Store.open(url)
    claim_by_number(store, 1, "bob", at=datetime.now(UTC))
    store.close()


def test_a_second_sensor_ends_and_one_that_takes_over_ends_the_first(workspace: Workspace) -> None:
    store = workspace.store
    enable(store, PATH, Wish(), at=AT)
    first = Running(Sensor(store, "first", life=None))
    wait_until(lambda: is_watched(store, at=datetime.now(UTC)))
    assert Sensor(store, "second").run() == Ended(0, "another sensor is at work")
    second = Running(Sensor(store, "second", takes_over="first", life=None))
    assert first.join().why == "the next sensor is at work"
    assert claim(store)
    wait_until(lambda: available(store) == 1)
    Sensor(store, "third", takes_over="second", life=timedelta(0)).run()
    assert second.join() == Ended(1, "the next sensor is at work")


def test_when_its_time_is_over_it_has_the_next_one_started_and_waits_for_it(
    workspace: Workspace,
) -> None:
    store = workspace.store
    enable(store, PATH, Wish(), at=AT)
    started: list[Running] = []

    def start_next() -> None:
        started.append(Running(Sensor(store, "second", takes_over="first", life=None)))

    first = Sensor(store, "first", life=timedelta(seconds=1), hand_over=start_next)
    assert first.run().why == "the next sensor is at work"
    assert len(started) == 1
    assert is_watched(store, at=datetime.now(UTC))
    Sensor(store, "third", takes_over="second", life=timedelta(0)).run()
    started[0].join()


def test_whoever_ends_gives_the_place_to_the_next(workspace: Workspace) -> None:
    store = workspace.store
    enable(store, PATH, Wish(), at=AT)
    assert is_wanted(store, at=datetime.now(UTC))
    assert Sensor(store, "first", life=timedelta(0)).run() == Ended(0, "its time is over")
    assert is_wanted(store, at=datetime.now(UTC))
    assert Sensor(store, "second", life=timedelta(0)).run() == Ended(0, "its time is over")


def test_the_last_hour_counts_each_task_once_whoever_has_made_it() -> None:
    activity = Activity()
    activity.saw(Shortage(1, (1,), {1: 5}, {1: 7}, 0), {1: 2}, AT)  # seven were there before
    assert activity.last_hour == LastHour(0, 2, 1, 0)
    activity.saw(Shortage(1, (), {1: 8}, {1: 12}, 1), {}, AT + timedelta(minutes=1))
    assert activity.last_hour == LastHour(3, 5, 1, 1)  # three of them by claims that found nothing
    activity.saw(Shortage(1, (), {1: 8}, {1: 12}, 1), {}, AT + timedelta(minutes=60))
    assert activity.last_hour == LastHour(3, 3, 1, 1)


def test_the_last_hour_is_counted_across_sensors(workspace: Workspace) -> None:
    store = workspace.store
    told: list[LastHour] = []
    enable(store, PATH, Wish(target=3), at=AT)
    first = Running(Sensor(store, "first", life=None, tell=told.append))
    wait_until(lambda: is_watched(store, at=datetime.now(UTC)))
    wait_until(lambda: bool(told) and told[-1].watched == 1)
    for _ in range(3):
        wait_until(lambda: claim(store))
    wait_until(lambda: told[-1] == LastHour(3, 2, 1, 1))
    Sensor(store, "second", takes_over="first", life=timedelta(0), tell=told.append).run()
    first.join()
    assert told[-1][:2] == (3, 2)


def test_killed_at_random_moments_the_next_one_goes_on_and_nothing_is_doubled(
    workspace: Workspace, tmp_path: Path
) -> None:
    chance = random.Random(4)
    store = workspace.store
    url = store.engine.url.render_as_string(hide_password=False)
    enable_copying(workspace, tmp_path, 3, Wish(keep_available=5))
    claims = 0
    for number in range(KILLS):
        child = CHILDREN.Process(target=_watch, args=(url, f"sensor-{number}"))
        child.start()
        ends = time.monotonic() + chance.uniform(0.05, 0.5)
        while time.monotonic() < ends:
            claims += claim(store)
        child.kill()
        child.join()
        let_the_lease_expire(store)
    with watching(store):
        wait_until(lambda: available(store) == 5)
    assert counts(store) == recounted(store)
    assert counts(store).total == 3 + claims + 5
    assert [copied for copied, _ in copies(store)] == [n % 3 + 1 for n in range(claims + 5)]


def let_the_lease_expire(store: Store) -> None:
    """Put back the time when the last sensor was seen."""
    with store.write() as session:
        session.execute(
            text("UPDATE sensors SET seen_at = :then"),
            {"then": AT if store.is_postgresql else AT.isoformat(" ")},
        )


def _watch(url: str, name: str) -> None:
    Sensor(Store.open(url), name, life=None).run()


def test_a_database_that_is_gone_for_ten_seconds_is_waited_for(
    postgresql: str, postgresql_store_url: str, catalogue_file: Path
) -> None:
    store = Store.open(postgresql_store_url)
    apply_catalogue(store, catalogue_file)
    enable(store, PATH, Wish(), at=AT)
    name = store.engine.url.database
    sensor = Running(Sensor(store, "first", life=None))
    wait_until(lambda: is_watched(store, at=datetime.now(UTC)))
    with psycopg.connect(postgresql, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        back_at = time.monotonic() + 10
        while time.monotonic() < back_at:
            with pytest.raises(StoreUnavailableError):
                available(store)
            time.sleep(0.2)
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    assert claim(store)
    wait_until(lambda: available(store) == 1)
    Sensor(store, "last", takes_over="first", life=timedelta(0)).run()
    assert sensor.join() == Ended(1, "the next sensor is at work")
    store.close()
