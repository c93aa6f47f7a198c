"""Retention deletes tasks after their time, and none that is still needed."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from keyed import declare, numbers, seed
from sqlalchemy import text

from chain_setup import ON_TASKS, chain
from infinite import copies
from people import (
    AT,
    NO_TASKS,
    PATH,
    claim,
    counts,
    finish,
    group_counts,
    make_tasks,
    recount,
    recount_groups,
)
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import NotFoundError
from tasks_lib.operations.audit.read import list_entries
from tasks_lib.operations.chains.due import fire_due
from tasks_lib.operations.chains.manage import set_paused
from tasks_lib.operations.groups.read import find_group
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.infinite.manage import InfiniteRequest, enable
from tasks_lib.operations.infinite.top_up import top_up
from tasks_lib.operations.retention.expire import delete_expired
from tasks_lib.operations.tasks.move import claim_task, set_status, submit_task, withdraw_tasks
from tasks_lib.operations.tasks.read import find_task, list_finished, list_tasks
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.removal import retention
from vault import CHECK, seed_pipeline

DAY = timedelta(days=1)
SETTINGS = "retention: {finished: 90d, withdrawn: 7d}"


def expire(store: Store, at: Any = AT + 91 * DAY, **options: Any) -> int:
    """Delete expired tasks, and compare all counts with the rows."""
    deleted = delete_expired(store, at=at, **options)
    assert counts(store).by_status == recount(store).by_status
    left = recount_groups(store)
    assert group_counts(store) == {
        group: left.get(group, NO_TASKS) for group in group_counts(store)
    }
    return deleted


def ids_of(store: Store, path: str = PATH) -> list[int]:
    return [task.id for task in list_tasks(store, path, limit=1_000)]


def rows_in(store: Store, table: str) -> int:
    with store.read() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}")) or 0


@pytest.fixture
def store(vault: Workspace, catalogue_file: Path, tmp_path: Path) -> Store:
    """A store with six tasks: two are finished, one is claimed, one is withdrawn."""
    declare(vault, catalogue_file, SETTINGS)
    make_tasks(vault, tmp_path, 6)
    for _ in range(2):
        finish(vault.store)
    claim(vault.store)
    withdraw_tasks(vault.store, [4], by="ann", at=AT)
    return vault.store


def test_tasks_are_deleted_when_their_time_is_over(store: Store) -> None:
    assert expire(store, AT + 6 * DAY) == 0
    assert expire(store, AT + 7 * DAY) == 1
    assert ids_of(store) == [1, 2, 3, 5, 6]
    assert expire(store, AT + 89 * DAY) == 0
    assert expire(store, AT + 90 * DAY) == 2
    assert ids_of(store) == [3, 5, 6]
    group = find_group(store, 1).group
    assert (group.tasks, group.expired, group.removed) == (3, 3, 0)
    assert rows_in(store, "task_moves") == 1
    with pytest.raises(NotFoundError, match="there is no task 1"):
        find_task(store, 1)
    entries = list_entries(store, limit=2).entries
    assert [(entry.action, entry.subject, entry.details) for entry in entries] == [
        ("tasks.expired", f"pipeline {PATH}", {"finished": 2}),
        ("tasks.expired", f"pipeline {PATH}", {"withdrawn": 1}),
    ]


def test_a_pass_deletes_some_tasks_at_a_time_and_is_continued(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "TASKS_AT_ONCE", 1)
    while delete_expired(store, at=AT + 91 * DAY, seconds=0.001) == 0:
        pass
    assert expire(store, begins=False) + len(ids_of(store)) < 6
    assert ids_of(store) == [3, 5, 6]
    assert expire(store, begins=False) == 0
    (entry,) = list_entries(store, limit=1).entries
    assert entry.details == {"finished": 2, "withdrawn": 1}


def test_no_pass_is_begun_where_only_begun_ones_are_continued(store: Store) -> None:
    assert expire(store, begins=False) == 0
    assert expire(store) == 3


def test_a_number_is_never_given_again(store: Store, vault: Workspace, tmp_path: Path) -> None:
    undo_group(store, 1, by="ann", at=AT)
    assert ids_of(store) == [1, 2, 3]
    make_tasks(vault, tmp_path, 2, "second.csv")
    assert ids_of(store) == [1, 2, 3, 7, 8]
    undo_group(store, 2, by="ann", at=AT)
    assert expire(store) == 2
    make_tasks(vault, tmp_path, 1, "third.csv")
    assert ids_of(store) == [3, 9]


def test_a_task_from_which_another_was_made_is_kept_as_long_as_that_one(
    vault: Workspace, store: Store
) -> None:
    assert seed_pipeline(vault).created == 2
    undo_group(store, 2, by="ann", at=AT)
    assert seed_pipeline(vault, run_id="run-2").created == 0
    finish(store)
    assert seed_pipeline(vault, run_id="run-3").created == 1
    assert expire(store) == 3
    assert ids_of(store) == [3, 5, 6]


def test_a_task_for_which_a_chain_waits_is_kept(vault: Workspace, store: Store) -> None:
    made = chain(vault, trigger=ON_TASKS, include_existing=True)
    set_paused(store, made.id, is_paused=True)
    assert expire(store) == 1
    assert ids_of(store) == [1, 2, 3, 5, 6]
    set_paused(store, made.id, is_paused=False)
    assert fire_due(vault, at=AT).created == 2
    assert expire(store) == 0


def test_tasks_that_flowed_once_do_not_flow_again(
    vault: Workspace, store: Store, catalogue_file: Path
) -> None:
    assert seed_pipeline(vault).created == 2
    with store.write() as session:
        session.execute(
            text("UPDATE pipelines SET retention = :days WHERE name = 'check-reviews'"),
            {"days": '{"withdrawn": 60}'},
        )
    withdraw_tasks(store, ids_of(store, CHECK), by="ann", at=AT)
    assert expire(store, AT + DAY) == 2
    assert ids_of(store, CHECK) == []
    assert seed_pipeline(vault, run_id="run-2").created == 0
    assert expire(store) == 3


def test_copied_tasks_are_kept_and_deleted_copies_count_for_the_target(
    vault: Workspace, store: Store, tmp_path: Path
) -> None:
    make_tasks(vault, tmp_path, 2, "copied.csv")
    request = InfiniteRequest(target=12, keep_available=6, copy_groups=(2,))
    enable(store, PATH, request, at=AT)
    for _ in range(6):
        finish(store)
    top_up(store, 1, at=AT)
    assert [copied for copied, _ in copies(store)] == [7, 8, 7, 8]
    assert expire(store) == 7
    assert ids_of(store) == [3, 7, 8, 11, 12]
    enable(store, PATH, InfiniteRequest(target=14, keep_available=6, copy_groups=(2,)), at=AT)
    assert (counts(store).total, counts(store).expired) == (7, 7)
    assert [copied for copied, _ in copies(store)] == [7, 8, 7, 8]


def test_every_finished_task_is_announced_despite_its_deletion(store: Store) -> None:
    events: list[Any] = []
    announce_due(store, events.extend, at=AT + DAY)
    assert expire(store) == 3
    for _ in range(2):
        finish(store)
    announce_due(store, events.extend, at=AT + 2 * DAY)
    told = [event.payload for event in events if event.event == "seeding.tasks.finished"]
    assert [(payload["count"], payload["finished"]) for payload in told] == [(2, 2), (2, 4)]
    withdraw_tasks(store, [3], by="ann", at=AT)
    for _ in range(2):
        announce_due(store, events.extend, at=AT + 3 * DAY)
    assert [e.payload["finished"] for e in events if e.event.endswith("pipeline.finished")] == [4]


def test_the_feed_of_finished_tasks_continues_after_a_deletion(store: Store) -> None:
    until = list_finished(store, 1, after=0, limit=10).until
    assert expire(store) == 3
    assert list_finished(store, 1, after=until, limit=10).until == until
    submit_task(store, claim(store).id, "ann", {"sentiment": "good"}, at=AT + 91 * DAY)
    assert [task.id for task in list_finished(store, 1, after=until, limit=10).items] == [5]


def test_the_same_content_is_still_known(vault: Workspace, store: Store, tmp_path: Path) -> None:
    assert expire(store) == 3
    report = seed(vault, str(tmp_path / "people.csv"))
    assert numbers(report) == (True, 0, 6, 0, 0)
    assert ids_of(store) == [3, 5, 6]


def test_the_last_tasks_of_an_undone_group_can_expire(store: Store) -> None:
    report = undo_group(store, 1, by="ann", at=AT)
    assert (report.removed, report.kept) == (3, 3)
    assert expire(store) == 2
    group = find_group(store, 1).group
    assert (group.tasks, group.removed, group.expired) == (1, 3, 2)


def test_pipelines_without_a_retention_keep_their_tasks(vault: Workspace, tmp_path: Path) -> None:
    make_tasks(vault, tmp_path, 1)
    finish(vault.store)
    assert expire(vault.store, AT + 10_000 * DAY) == 0
    assert ids_of(vault.store) == [1]


def test_put_back_tasks_and_expired_ones_are_different_tasks(
    vault: Workspace, catalogue_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two upkeeps delete withdrawn tasks, while others put them back, claim them and add more."""
    store = vault.store
    declare(vault, catalogue_file, SETTINGS)
    make_tasks(vault, tmp_path, 60)
    withdraw_tasks(store, range(1, 61), by="ann", at=AT)
    monkeypatch.setattr(retention, "TASKS_AT_ONCE", 4)
    start = Barrier(5)

    def delete() -> int:
        start.wait()
        return delete_expired(store, at=AT + 8 * DAY)

    def put_back(numbers: range) -> list[int]:
        start.wait()
        done = []
        for number in numbers:
            with suppress(NotFoundError):
                done.append(set_status(store, number, TaskStatus.PENDING, at=AT + 8 * DAY).id)
        return done

    def work() -> int:
        start.wait()
        make_tasks(vault, tmp_path, 5, "more.csv")
        return sum(claim_task(store, 1, "ben", at=AT) is not None for _ in range(10))

    with ThreadPoolExecutor(5) as pool:
        deletions = [pool.submit(delete) for _ in range(2)]
        put = [pool.submit(put_back, range(first, 0, -2)) for first in (60, 59)]
        claimed = pool.submit(work)
        deleted = sum(one.result() for one in deletions)
        kept = sorted(number for one in put for number in one.result())
        assert claimed.result() <= len(kept) + 5
    assert deleted + len(kept) == 60
    assert ids_of(store) == [*kept, *range(61, 66)]
    assert counts(store).by_status == recount(store).by_status
    assert find_group(store, 1).group.expired == deleted


def test_loads_hold_the_deletion_up_and_do_not_wait_for_it(store: Store) -> None:
    """On PostgreSQL; on SQLite one transaction writes at a time."""
    if not store.is_postgresql:
        return
    for hold in (catalogue.lock_pipeline, retention.keep_while_reading):
        with store.write() as session:
            hold(session, 1)
            assert expire(store) == 0
    assert expire(store) == 3
