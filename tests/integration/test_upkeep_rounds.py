"""Upkeep that stays: each chore at its interval, one run at a time, a hand-over at the end."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.leases import Lease
from tasks_lib.operations.upkeep.rounds import Chore, Rounds
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.leases import LeaseName

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Time:
    """A clock that only ``sleep`` moves; at some times it does something else."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: dict[float, Callable[[], object]] = {}

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.at.pop(self.now, lambda: None)()


@pytest.fixture
def time() -> Time:
    return Time()


def lease_of(workspace: Workspace, name: str) -> Lease:
    return Lease(workspace.store, LeaseName.UPKEEP, name)


def test_each_chore_is_done_at_the_start_and_at_its_interval(
    workspace: Workspace, time: Time
) -> None:
    done: list[tuple[str, float]] = []
    chores = [
        Chore(lambda: done.append(("often", time.now)), 20 * SECOND),
        Chore(lambda: done.append(("seldom", time.now)), MINUTE),
    ]
    rounds = Rounds(
        workspace.store, "first", chores, MINUTE, lambda: None, clock=time, sleep=time.sleep
    )
    assert rounds.run() == "its time is over, and no other run has come"
    assert done[:6] == [
        ("often", 0), ("seldom", 0), ("often", 20), ("often", 40), ("often", 60), ("seldom", 60),
    ]  # fmt: skip
    assert lease_of(workspace, "next").acquire(), "the lease is released"


def test_it_hands_over_once_and_works_until_the_next_run_does(
    workspace: Workspace, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks_lib.operations.leases._RENEW_SECONDS", 0)
    calls: list[float] = []
    chores = [Chore(lambda: calls.append(time.now), SECOND)]

    def start_next() -> None:
        time.at[70] = lambda: lease_of(workspace, "next").acquire(from_holder="first")

    rounds = Rounds(
        workspace.store, "first", chores, MINUTE, start_next, clock=time, sleep=time.sleep
    )
    assert rounds.run() == "the next run has taken over"
    assert calls == [float(second) for second in range(71)]
    assert not lease_of(workspace, "third").acquire(), "the lease is the next run's"


def test_a_second_run_ends_at_once(workspace: Workspace, time: Time) -> None:
    assert lease_of(workspace, "first").acquire()
    rounds = Rounds(workspace.store, "second", [], MINUTE, lambda: None, sleep=time.sleep)
    assert rounds.run() == "another run does the upkeep"
    assert time.now == 0
    assert not lease_of(workspace, "third").acquire()


def test_a_chore_that_fails_is_repeated_after_a_pause_and_the_others_are_done(
    workspace: Workspace, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[float] = []

    def fail() -> None:
        if time.now < 15:
            raise PrefectUnavailableError("the Prefect server is away")
        done.append(time.now)

    rounds = Rounds(
        workspace.store,
        "first",
        [Chore(fail, SECOND), Chore(lambda: done.append(-time.now), 10 * SECOND)],
        MINUTE,
        lambda: None,
        why_stop=lambda: "enough" if time.now == 22 else None,
        clock=time,
        sleep=time.sleep,
    )
    with caplog.at_level(logging.WARNING):
        assert rounds.run() == "enough"
    assert done == [0, -10, 20, -20, 21, 22]
    assert [record.message for record in caplog.records] == [
        "the Prefect server is away; upkeep tries again"
    ] * 2


def test_a_defect_ends_the_run_and_releases_the_lease(workspace: Workspace, time: Time) -> None:
    def break_down() -> None:
        raise ZeroDivisionError

    chores = [Chore(break_down, SECOND)]
    rounds = Rounds(workspace.store, "first", chores, MINUTE, lambda: None, sleep=time.sleep)
    with pytest.raises(ZeroDivisionError):
        rounds.run()
    assert lease_of(workspace, "next").acquire()
