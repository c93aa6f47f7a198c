"""One event wakes the chains while no drain is at work; a drain at work takes all that comes."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event

from chain_setup import ON_PIPELINE, apply_pipelines, chain, finish_tasks, origins
from children import CHILDREN
from people import AT
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.domain.events import Event
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import PrefectUnavailableError
from tasks_lib.operations.chains.drain import LIFE, Drain, StandIn
from tasks_lib.operations.chains.due import Fired
from tasks_lib.operations.chains.manage import find_chain, set_paused
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store import leases
from tasks_lib.store.engine import Store
from tasks_lib.store.leases import LeaseName
from vault import AUDIT, LABEL

SECOND = timedelta(seconds=1)
LONG = timedelta(minutes=5)


@pytest.fixture
def labels(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Ten tasks to label, and other pipelines; no chain yet."""
    apply_pipelines(workspace, tmp_path, 10)
    return workspace


def wake_ups(workspace: Workspace, after: timedelta = timedelta(0)) -> list[int]:
    """Announce what is due; return the chains that were woken."""
    events: list[Event] = []
    announce_due(workspace.store, events.extend, at=AT + after)
    return [it.payload["chain_id"] for it in events if it.event == "seeding.chain.due"]


def test_finished_tasks_of_two_chains_wake_one_run(labels: Workspace) -> None:
    chains = {chain(labels).id, chain(labels, AUDIT, mapping={"made": "body"}).id}
    finish_tasks(labels, 2)
    (woken,) = wake_ups(labels)
    assert woken in chains
    finish_tasks(labels, 1)
    assert wake_ups(labels, SECOND) == [], "a run is about to start"


def test_if_no_run_comes_the_next_task_wakes_again(labels: Workspace) -> None:
    chain_id = chain(labels).id
    finish_tasks(labels, 1)
    assert wake_ups(labels) == [chain_id]
    finish_tasks(labels, 1)
    assert wake_ups(labels, 19 * SECOND) == []
    finish_tasks(labels, 1)
    assert wake_ups(labels, 20 * SECOND) == [chain_id]


def test_an_event_that_prefect_did_not_take_is_sent_again(labels: Workspace) -> None:
    chain_id = chain(labels).id
    finish_tasks(labels, 1)

    def refuse(_: Sequence[Event]) -> None:
        raise PrefectUnavailableError("the Prefect server is away")

    with pytest.raises(PrefectUnavailableError):
        announce_due(labels.store, refuse, at=AT)
    assert wake_ups(labels, SECOND) == [chain_id]


def test_the_wake_up_names_the_chain_and_its_source(labels: Workspace) -> None:
    chain(labels)
    finish_tasks(labels, 1)
    events: list[Event] = []
    announce_due(labels.store, events.extend, at=AT)
    (wake_up,) = [it for it in events if it.event == "seeding.chain.due"]
    assert wake_up.payload == {
        "pipeline_id": 1,
        "pipeline": LABEL,
        "chain_id": 1,
        "message": f"Finished tasks of {LABEL} wait for chain 1.",
    }
    assert wake_up.resource["prefect.resource.id"] == "seeding.pipeline.1"
    assert wake_up.related[-1] == {
        "prefect.resource.id": "seeding.chain.1",
        "prefect.resource.role": "chain",
    }


def test_claims_and_paused_chains_wake_nobody(labels: Workspace) -> None:
    set_paused(labels.store, chain(labels).id, is_paused=True)
    finish_tasks(labels, 1)
    assert wake_ups(labels) == []


def test_a_chain_on_the_end_of_a_pipeline_is_woken_by_its_last_task(labels: Workspace) -> None:
    chain_id = chain(labels, trigger=ON_PIPELINE).id
    finish_tasks(labels, 9)
    assert wake_ups(labels) == []
    finish_tasks(labels, 1)
    assert wake_ups(labels, SECOND) == [chain_id]


def test_of_two_relays_at_once_one_wakes(labels: Workspace) -> None:
    chain(labels)
    finish_tasks(labels, 1)
    with ThreadPoolExecutor(4) as pool:
        woken = list(pool.map(lambda _: wake_ups(labels), range(4)))
    assert sorted(woken) == [[], [], [], [1]]


class Running:
    """A drain in a thread, and its result."""

    def __init__(self, drain: Drain) -> None:
        self.fired: Fired | None = None
        self._thread = threading.Thread(target=self._run, args=(drain,), daemon=True)
        self._thread.start()

    def _run(self, drain: Drain) -> None:
        self.fired = drain.run()

    def join(self) -> Fired:
        self._thread.join(PATIENCE_SECONDS)
        assert self.fired is not None
        return self.fired


@contextmanager
def draining(workspace: Workspace, name: str = "first") -> Iterator[Running]:
    """Run a drain while a block lasts."""
    ended = threading.Event()

    def clock() -> float:
        return time.monotonic() + (2 * LIFE.total_seconds() if ended.is_set() else 0)

    running = Running(Drain(workspace, name, LONG, clock=clock))
    wait_until(lambda: is_draining(workspace.store))
    yield running
    ended.set()
    running.join()


def is_draining(store: Store) -> bool:
    with store.read() as session:
        return leases.is_held(session, LeaseName.CHAINS, at=datetime.now(UTC))


def test_a_drain_fires_all_chains_as_tasks_are_finished_and_nobody_is_woken(
    labels: Workspace,
) -> None:
    chain(labels)
    chain(labels, AUDIT)
    finish_tasks(labels, 1)
    with draining(labels) as drain:
        for number in range(1, 4):
            wait_until(partial(has_tasks, labels, number))
            assert now_woken(labels) == []
            finish_tasks(labels, 1)
    assert drain.join().created == len(origins(labels)) + len(origins(labels, AUDIT))
    assert origins(labels) == [1, 2, 3, 4]
    assert not is_draining(labels.store)


def has_tasks(workspace: Workspace, count: int) -> bool:
    return len(origins(workspace)) == count


def now_woken(workspace: Workspace) -> list[int]:
    events: list[Event] = []
    announce_due(workspace.store, events.extend, at=datetime.now(UTC))
    return [it.payload["chain_id"] for it in events if it.event == "seeding.chain.due"]


def test_a_drain_takes_over_from_the_wake_up_and_a_second_one_leaves(labels: Workspace) -> None:
    chain(labels)
    finish_tasks(labels, 1)
    assert now_woken(labels) == [1]
    with draining(labels):
        wait_until(lambda: origins(labels) == [1])
        second = Drain(labels, "second", LONG)
        assert second.run() == Fired(0, 0, 0)
        assert is_draining(labels.store)


def test_a_task_that_is_finished_as_the_drain_leaves_is_not_left_behind(
    labels: Workspace,
) -> None:
    chain(labels)
    finish_tasks(labels, 1)
    passes = 0

    def finish_before_last_look() -> None:
        nonlocal passes
        passes += 1
        if passes == 2:  # the lease is released, and this was announced while it was held
            finish_tasks(labels, 1)

    Drain(labels, "first", timedelta(0), on_pass=finish_before_last_look).run()
    assert origins(labels) == [1, 2]


def test_until_the_drain_comes_its_stand_in_fires(labels: Workspace) -> None:
    chain_id = chain(labels).id
    passes: list[list[int]] = []
    stand_in = StandIn(labels, on_pass=lambda: passes.append(origins(labels)))
    finish_tasks(labels, 1)
    assert (stand_in.fire(), passes) == (Fired(), []), "nobody was woken"
    assert now_woken(labels) == [chain_id]
    assert stand_in.fire() == Fired(1, 0, 1)
    finish_tasks(labels, 2)
    assert stand_in.fire() == Fired(2, 0, 1)
    assert (passes, origins(labels)) == ([[], [1]], [1, 2, 3])
    with draining(labels) as drain:
        finish_tasks(labels, 1)
        assert stand_in.fire() == Fired()
        wait_until(partial(has_tasks, labels, 4))
    assert drain.join().created == 1
    assert stand_in.fire() == Fired()
    assert len(passes) == 2


def test_a_stand_in_leaves_a_chain_alone_that_was_switched_off_as_it_looked(
    labels: Workspace,
) -> None:
    chain_id = chain(labels).id
    finish_tasks(labels, 1)
    assert now_woken(labels) == [chain_id]

    def switch_off() -> None:
        set_paused(labels.store, chain_id, is_paused=True)

    assert StandIn(labels, on_pass=switch_off).fire() == Fired()
    assert origins(labels) == []


def test_a_stand_in_tries_tasks_that_do_not_fit_once_a_wake_up(labels: Workspace) -> None:
    chain(labels, AUDIT, mapping={"made": "body"})
    finish_tasks(labels, 1)
    assert len(now_woken(labels)) == 1
    stand_in = StandIn(labels, on_pass=lambda: None)
    assert [stand_in.fire() for _ in range(3)] == [Fired(0, 1, 0), Fired(), Fired()]


def test_a_stand_in_and_the_drain_create_each_task_once(labels: Workspace) -> None:
    chain(labels)
    finish_tasks(labels, 10)
    assert now_woken(labels) == [1]
    has_begun = threading.Event()
    drain = Drain(labels, "first", timedelta(0), on_pass=has_begun.set)
    with ThreadPoolExecutor(1) as pool:

        def start_drain() -> None:
            results.append(pool.submit(drain.run))
            assert has_begun.wait(PATIENCE_SECONDS)

        results: list[Future[Fired]] = []
        created = StandIn(labels, on_pass=start_drain).fire().created
        created += results[0].result(PATIENCE_SECONDS).created
    assert (created, origins(labels)) == (10, list(range(1, 11)))


def test_tasks_that_do_not_fit_are_tried_once(labels: Workspace) -> None:
    chain(labels, AUDIT, mapping={"made": "body"})
    finish_tasks(labels, 1)
    writes = [0]  # of chains: before the first pass, and in each pass

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        writes[-1] += statement.lstrip().upper().startswith("UPDATE CHAINS")

    drain = Drain(
        labels,
        "first",
        timedelta(seconds=10),
        on_pass=lambda: writes.append(0),
        clock=itertools.count().__next__,  # a second a look
        sleep=lambda _: None,
    )
    event.listen(labels.store.engine, "before_cursor_execute", count)
    assert drain.run() == Fired(0, 1, 0)
    event.remove(labels.store.engine, "before_cursor_execute", count)
    assert find_chain(labels.store, 1).looked_at is not None
    assert writes[1] > 0
    assert len(writes) > 5
    assert writes[3:] == [0] * len(writes[3:])  # the second pass learns that nothing has changed


def drain_in_child(url: str, files: str, number: int) -> None:
    """Drain until killed."""
    Drain(Workspace(Store.open(url), Storage(files), Limits()), f"child {number}", LONG).run()


def test_a_drain_that_is_killed_is_followed_by_another_and_no_task_is_lost(
    labels: Workspace,
) -> None:
    chain(labels)
    url = labels.store.engine.url.render_as_string(hide_password=False)
    for number in range(1, 3):
        child = CHILDREN.Process(
            target=drain_in_child, args=(url, labels.storage.root, number), daemon=True
        )
        child.start()
        finish_tasks(labels, 4)
        wait_until(partial(has_tasks, labels, 4 * number))
        child.kill()
        child.join()
        assert is_draining(labels.store), "its lease is not stale yet"
        with labels.store.write() as session:
            leases.release(session, LeaseName.CHAINS, f"child {number}", at=AT)
    assert origins(labels) == list(range(1, 9))
