"""Leases of long-lived work: one holder at a time, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from people import AT
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import leases
from tasks_lib.store.engine import Store
from tasks_lib.store.leases import STALE, LeaseName

MOMENT = timedelta(milliseconds=1)
CHAINS, UPKEEP = LeaseName.CHAINS, LeaseName.UPKEEP


@pytest.fixture
def store(workspace: Workspace) -> Store:
    return workspace.store


def acquire(store: Store, holder: str, *from_holders: str, after: timedelta = MOMENT) -> bool:
    with store.write() as session:
        return (
            leases.acquire(session, CHAINS, holder, at=AT + after, from_holders=from_holders)
            is not None
        )


def test_a_lease_has_one_holder_until_it_is_stale(store: Store) -> None:
    assert acquire(store, "ann")
    assert not acquire(store, "ben")
    assert not acquire(store, "ann"), "a name can be used twice"
    assert acquire(store, "ann", "ann")
    assert acquire(store, "ben", "eve", "ann")
    assert not acquire(store, "eve", after=STALE - MOMENT)
    assert acquire(store, "eve", after=STALE + MOMENT)


def test_a_holder_renews_and_releases_only_its_own_lease(store: Store) -> None:
    assert acquire(store, "ann")
    with store.write() as session:
        assert leases.renew(session, CHAINS, "ann", at=AT + STALE, history=[[1, 2]])
        assert not leases.renew(session, CHAINS, "ben", at=AT)
        assert not leases.renew(session, UPKEEP, "ann", at=AT)
        leases.release(session, CHAINS, "ben", at=AT)
        assert leases.is_held(session, CHAINS, at=AT + STALE)
        assert not leases.is_held(session, UPKEEP, at=AT + STALE)
        leases.release(session, CHAINS, "ann", at=AT)
        assert not leases.is_held(session, CHAINS, at=AT)
        assert leases.acquire(session, CHAINS, "ben", at=AT) == [[1, 2]]


def test_a_lease_can_last_longer_than_others(store: Store) -> None:
    with store.write() as session:
        leases.acquire(session, CHAINS, "ann", at=AT, lasts=2 * STALE)
    assert not acquire(store, "ben", after=2 * STALE - MOMENT)
    assert acquire(store, "ben", after=2 * STALE)


def test_a_holder_whose_clock_was_ahead_does_not_block_the_others(store: Store) -> None:
    assert acquire(store, "ann", after=timedelta(seconds=30))
    assert not acquire(store, "ben")
    assert acquire(store, "ben", after=timedelta(hours=2))
    assert acquire(store, "eve")


def test_of_many_that_ask_at_once_one_gets_the_lease(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: acquire(store, f"holder {number}"), range(8)))
    assert sorted(outcomes) == [False] * 7 + [True]
