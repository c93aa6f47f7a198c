"""Readers of what was finished since the last time get each task once, in a stable order."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text

from people import AT, PATH, claim, finish, make_tasks
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.tasks import read
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.tasks.read import FinishedPage, list_finished
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

TASKS = 400
WORKERS = 8


def page(store: Store, after: int = 0, limit: int = 100) -> FinishedPage:
    return list_finished(store, find_pipeline(store, PATH).id, after=after, limit=limit)


def ids(found: FinishedPage) -> list[int]:
    return [task.id for task in found.items]


def test_tasks_are_listed_in_the_order_in_which_they_were_finished(
    workspace: Workspace, tmp_path: Path
) -> None:
    store = workspace.store
    make_tasks(workspace, tmp_path, 5)
    assert page(store) == FinishedPage([], 0, False, 0)
    claimed = [claim(store, name).id for name in ("ann", "bob", "cid")]
    for task_id, name in ((claimed[1], "bob"), (claimed[2], "cid")):
        submit_task(store, task_id, name, {"sentiment": "good"}, at=AT)
    first = page(store, limit=1)
    assert (ids(first), first.has_more, first.total) == ([claimed[1]], True, 2)
    submit_task(store, claimed[0], "ann", {"sentiment": "good"}, at=AT)
    second = page(store, first.until)
    assert (ids(second), second.has_more, second.total) == ([claimed[2], claimed[0]], False, 3)
    assert page(store, second.until) == FinishedPage([], second.until, False, 3)


def test_each_task_is_listed_once_while_others_are_finished(
    workspace: Workspace, tmp_path: Path
) -> None:
    store = workspace.store
    make_tasks(workspace, tmp_path, TASKS)
    pipeline_id = find_pipeline(store, PATH).id
    is_over = Event()

    def work(number: int) -> None:
        name = f"contributor-{number}"
        while (task := claim_task(store, pipeline_id, name, at=AT)) is not None:
            submit_task(store, task.id, name, {"sentiment": "good"}, at=AT)

    def follow() -> list[int]:
        seen: list[int] = []
        cursor, was_over = 0, False
        while not was_over:
            was_over = is_over.is_set()
            found = page(store, cursor, limit=7)
            seen += ids(found)
            cursor = found.until
            was_over = was_over and not found.has_more
        return seen

    with ThreadPoolExecutor(WORKERS + 2) as pool:
        readers = [pool.submit(follow) for _ in range(2)]
        for done in [pool.submit(work, number) for number in range(WORKERS)]:
            done.result()
        is_over.set()
        seen = [reader.result() for reader in readers]
    assert sorted(seen[0]) == list(range(1, TASKS + 1))
    assert seen[0] == seen[1]


def test_a_task_whose_transaction_is_still_open_holds_back_those_after_it(
    postgresql_store_url: str, catalogue_file: Path, tmp_path: Path
) -> None:
    store = Store.open(postgresql_store_url)
    apply_catalogue(store, catalogue_file)
    workspace = Workspace(store, Storage((tmp_path / "files").as_uri()), Limits())
    make_tasks(workspace, tmp_path, 2)
    slow = claim(store, "ann").id
    with ThreadPoolExecutor(1) as pool:
        with store.write() as session:
            submit_task(store.within(session), slow, "ann", {"sentiment": "good"}, at=AT)
            reading = pool.submit(page, store)
            wait_until(lambda: _is_waiting(store))
        found = reading.result(timeout=PATIENCE_SECONDS)
    assert ids(found) == [slow]
    fast = finish(store, "bob").id
    assert ids(page(store, found.until)) == [fast]
    store.close()


def _is_waiting(store: Store) -> bool:
    waiting = text("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
    with store.query() as session:
        return bool(session.scalar(waiting))


def test_a_page_with_large_values_ends_early(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tasks(workspace, tmp_path, 3)
    done = [finish(workspace.store).id for _ in range(3)]
    monkeypatch.setattr(read, "MAX_PAGE_BYTES", 50)
    first = page(workspace.store)
    assert (ids(first), first.has_more) == (done[:1], True)
    assert ids(page(workspace.store, first.until)) == done[1:2]
