"""Claims look for tasks from where the queue begins, and still get the oldest that is available."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event

import psycopg
import pytest
from sqlalchemy import text

from people import AT, claim, counts, group_counts, make_tasks, recount, recount_groups
from tasks_lib.domain.lifecycle import Move
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.tasks.move import (
    claim_task,
    release_expired_claims,
    release_task,
    set_status,
    submit_task,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups
from tasks_lib.store.tasks import queues
from tasks_lib.store.tasks.counts import add_counts
from tasks_lib.store.tasks.insert import insert_blank_tasks
from tasks_lib.store.tasks.moves import Note, Picks, move_tasks

PIPELINE = 1
WORKERS = 4
RACED = 300


@pytest.fixture
def on_postgresql(
    postgresql_store_url: str, catalogue_file: Path, tmp_path: Path
) -> Iterator[Workspace]:
    """A workspace on PostgreSQL; on SQLite nothing has to be skipped."""
    store = Store.open(postgresql_store_url)
    apply_catalogue(store, catalogue_file)
    yield Workspace(store, Storage((tmp_path / "files").as_uri()), Limits())
    store.close()


def tend(store: Store) -> bool:
    with store.query() as session:
        return queues.tend(session, PIPELINE)


def first_id(store: Store) -> int:
    with store.read() as session:
        return session.scalar(text("SELECT first_id FROM task_queues")) or 0


def test_the_queue_begins_with_the_first_pending_task(
    on_postgresql: Workspace, tmp_path: Path
) -> None:
    store = on_postgresql.store
    make_tasks(on_postgresql, tmp_path, 5)
    assert (claim(store).id, claim(store).id) == (1, 2)
    assert (tend(store), first_id(store)) == (True, 3)
    assert [claim(store).id for _ in range(3)] == [3, 4, 5]
    assert (tend(store), first_id(store)) == (True, 5)
    assert claim_task(store, PIPELINE, "ann", at=AT) is None
    make_tasks(on_postgresql, tmp_path, 1, "more.csv")
    assert claim(store).id == 6
    assert counts(store) == recount(store)
    assert group_counts(store) == recount_groups(store)


@pytest.mark.parametrize("how", ["released", "expired", "put back", "resumed"])
def test_a_task_that_is_available_again_is_the_next_one(
    on_postgresql: Workspace, tmp_path: Path, how: str
) -> None:
    store = on_postgresql.store
    make_tasks(on_postgresql, tmp_path, 4)
    assert [claim(store).id for _ in range(2)] == [1, 2]
    if how == "put back":
        set_status(store, 1, TaskStatus.FAILED, at=AT)
    if how == "resumed":
        release_task(store, 1, at=AT)
        with store.write() as session:
            move_tasks(session, PIPELINE, Move.PAUSE, Picks(1), Note(None, AT))
    tend(store)
    assert first_id(store) == 3
    if how == "released":
        release_task(store, 1, at=AT)
    elif how == "expired":
        assert release_expired_claims(store, at=AT + timedelta(days=1)) == 2
    elif how == "put back":
        set_status(store, 1, TaskStatus.PENDING, at=AT)
    else:
        with store.write() as session:
            move_tasks(session, PIPELINE, Move.RESUME, Picks(1), Note(None, AT))
    assert (first_id(store), claim(store).id) == (1, 1)


def test_the_tasks_of_a_long_load_come_first_although_later_ones_were_claimed_meanwhile(
    on_postgresql: Workspace, tmp_path: Path
) -> None:
    store = on_postgresql.store
    with store.write() as session:
        group = task_groups.ensure_group(
            session, pipeline_id=PIPELINE, kind=SeedKind.BULK, seed_key="long", source="s", at=AT
        )
        values = {"pipeline_id": PIPELINE, "group_id": group.group_id}
        with queues.keep_open(session, PIPELINE):
            insert = "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined)"
            rows = "VALUES (:pipeline_id, :group_id, 1, 'pending', '{}')"
            session.execute(text(f"{insert} {rows}"), values)
            make_tasks(on_postgresql, tmp_path, 3)
            assert [claim(store).id for _ in range(2)] == [2, 3]
            assert (tend(store), first_id(store)) == (True, 4)
        add_counts(
            session, PIPELINE, {TaskStatus.PENDING: 1}, group_id=group.group_id, is_new_group=True
        )
        assert not tend(store)  # until it is certain from where on the new tasks are seen
        assert first_id(store) == 4
    assert (tend(store), first_id(store)) == (True, 1)
    assert [claim(store).id for _ in range(2)] == [1, 4]


def test_a_claim_beside_an_old_transaction_reads_no_more_than_after_the_first(
    on_postgresql: Workspace, tmp_path: Path
) -> None:
    store = on_postgresql.store
    make_tasks(on_postgresql, tmp_path, 3_000)
    claim(store)
    address = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM tasks")
        with store.write() as session:
            for _ in range(2_500):
                session.execute(text("SELECT seeding_claim(1, 'ann', now())"))
        before = read_blocks(address)  # those of the dead entries of the tasks that were claimed
        assert tend(store)
        assert 3 * read_blocks(address) < before
        assert claim(store).id == 2_502


def read_blocks(address: str) -> int:
    """Return how many blocks a search for the oldest pending task reads."""
    with psycopg.connect(address) as connection:
        (plan,) = connection.execute(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT id FROM tasks WHERE pipeline_id = 1"
            " AND status = 'pending' AND id >= coalesce("
            " (SELECT first_id FROM task_queues WHERE pipeline_id = 1), 0)"
            " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        ).fetchone() or ([],)
    return int(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])


def create_more(store: Store) -> None:
    """Create eight groups of five tasks."""
    for number in range(8):
        with store.write() as session:
            group_id = task_groups.ensure_group(
                session,
                pipeline_id=PIPELINE,
                kind=SeedKind.BULK,
                seed_key=f"more {number}",
                source="s",
                at=AT,
                task_count=5,
            ).group_id
            insert_blank_tasks(
                session,
                pipeline_id=PIPELINE,
                group_id=group_id,
                status=TaskStatus.PENDING,
                count=5,
            )
            added = {TaskStatus.PENDING: 5}
            add_counts(session, PIPELINE, added, group_id=group_id, is_new_group=True)


def test_nothing_is_lost_or_given_twice_while_the_queue_is_tended(
    on_postgresql: Workspace, tmp_path: Path
) -> None:
    store = on_postgresql.store
    make_tasks(on_postgresql, tmp_path, 20)
    is_over = Event()

    def work(number: int) -> None:
        name = f"contributor-{number}"
        for done in range(RACED // WORKERS):
            task = claim_task(store, PIPELINE, name, at=AT)
            if task is None:
                continue
            if done % 3 == 0:
                submit_task(store, task.id, name, {"sentiment": "good"}, at=AT)
            elif done % 3 == 1:
                release_task(store, task.id, contributor=name, at=AT)
            else:
                set_status(store, task.id, TaskStatus.FAILED, at=AT)
                set_status(store, task.id, TaskStatus.PENDING, at=AT)

    def keep_tending() -> int:
        tended = 0
        while not is_over.is_set():
            tended += tend(store)
        return tended

    with ThreadPoolExecutor(WORKERS + 3) as pool:
        tending = [pool.submit(keep_tending) for _ in range(2)]
        working = [pool.submit(work, number) for number in range(WORKERS)]
        creating = pool.submit(create_more, store)
        try:
            for one in (*working, creating):
                one.result(timeout=120)
        finally:
            is_over.set()
        assert sum(one.result(timeout=60) for one in tending) > 0
    assert counts(store) == recount(store)
    assert group_counts(store) == recount_groups(store)
    left = counts(store).by_status[TaskStatus.PENDING]
    assert counts(store).total == 60
    ids = [claim(store).id for _ in range(left)]
    assert ids == sorted(set(ids))
    assert claim_task(store, PIPELINE, "ann", at=AT) is None
    assert counts(store) == recount(store)
