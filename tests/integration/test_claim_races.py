"""Many contributors at once: each task goes to one of them, and the counts stay right."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Barrier

from sqlalchemy import text

from children import CHILDREN
from people import AT, PATH, claim, counts, make_tasks, recount
from servers import wait_until
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.lifecycle import Move
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import MoveNotAllowedError
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.tasks.move import (
    claim_task,
    release_expired_claims,
    release_task,
    set_status,
    submit_task,
)
from tasks_lib.operations.tasks.read import find_task, list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store

TASKS = 1_000
CLAIMERS = 50


def url_of(workspace: Workspace) -> str:
    return workspace.store.engine.url.render_as_string(hide_password=False)


def claim_all(store: Store, pipeline: Pipeline, contributor: str) -> list[int]:
    """Claim until no task is left; return the ids of the claimed tasks."""
    claimed = []
    while (task := claim_task(store, pipeline.id, contributor, at=AT)) is not None:
        claimed.append(task.id)
    return claimed


def test_fifty_claimers_share_a_thousand_tasks_and_each_goes_to_one(
    workspace: Workspace, pipeline: Pipeline, tmp_path: Path
) -> None:
    make_tasks(workspace, tmp_path, TASKS)
    start = Barrier(CLAIMERS)

    def work(number: int) -> list[int]:
        start.wait()
        return claim_all(workspace.store, pipeline, f"contributor-{number}")

    with ThreadPoolExecutor(CLAIMERS) as pool:
        claimed = list(pool.map(work, range(CLAIMERS)))
    assert Counter(number for some in claimed for number in some) == Counter(range(1, TASKS + 1))
    assert [sorted(some) == some for some in claimed] == [True] * CLAIMERS, "not oldest first"
    page = list_tasks(workspace.store, PATH, limit=TASKS)
    holders = {number: f"contributor-{who}" for who, some in enumerate(claimed) for number in some}
    assert {task.id: task.claimed_by for task in page} == holders
    assert counts(workspace.store) == recount(workspace.store)


def test_one_of_many_concurrent_moves_of_a_task_wins(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 20)
    store = workspace.store
    for _ in range(20):
        task = claim(store, "ann")
        start = Barrier(5)

        def move(act: int, number: int = task.id, start: Barrier = start) -> str | None:
            start.wait()
            try:
                if act == 0:
                    return submit_task(store, number, "ann", {"sentiment": "good"}, at=AT).status
                if act == 1:
                    return release_task(store, number, at=AT).status
                if act == 2:
                    return str(release_expired_claims(store, at=AT + timedelta(hours=1)) or "")
                return submit_task(store, number, "ann", {"sentiment": "bad"}, at=AT).status
            except MoveNotAllowedError:
                return None

        with ThreadPoolExecutor(5) as pool:
            won = [answer for answer in pool.map(move, range(5)) if answer]
        assert len(won) == 1
        moves = [move.move for move in find_task(store, task.id).moves]
        assert moves.count(Move.SUBMIT) + moves.count(Move.RELEASE) + moves.count(
            Move.TIME_OUT
        ) == len(moves) - moves.count(Move.CLAIM)
        if find_task(store, task.id).status == "pending":
            set_status(store, task.id, TaskStatus.FAILED, at=AT)
    assert counts(store) == recount(store)


def work_until_killed(url: str, path: str, contributor: str) -> None:
    """Claim, submit and release tasks without end, in a child process."""
    store = Store.open(url)
    pipeline = find_pipeline(store, path)
    dice = random.Random(contributor)
    while True:
        task = claim_task(store, pipeline.id, contributor, at=AT)
        if task is None:
            return
        if dice.random() < 0.1:  # so that tasks are left for the last workers
            submit_task(store, task.id, contributor, {"sentiment": "good"}, at=AT)
        else:
            release_task(store, task.id, contributor=contributor, at=AT)


def start_worker(workspace: Workspace, contributor: str) -> ForkServerProcess:
    child = CHILDREN.Process(target=work_until_killed, args=(url_of(workspace), PATH, contributor))
    child.start()
    return child


def test_a_task_its_moves_and_the_counts_agree_after_kills(
    workspace: Workspace, tmp_path: Path
) -> None:
    make_tasks(workspace, tmp_path, 2_000)
    dice = random.Random(4117)
    cut_short = 0
    for round_number in range(10):
        before = counts(workspace.store).claims
        children = [start_worker(workspace, f"worker-{round_number}-{k}") for k in range(2)]
        wait_until(partial(has_more_claims, workspace.store, before))
        time.sleep(dice.uniform(0, 0.1))
        for child in children:
            cut_short += child.is_alive()
            child.kill()
            child.join()
        assert counts(workspace.store) == recount(workspace.store)
        assert statuses_by_last_move(workspace) == statuses(workspace)
    assert cut_short >= 10, "the kills came too late to prove anything"


def has_more_claims(store: Store, before: int) -> bool:
    return counts(store).claims > before


def statuses(workspace: Workspace) -> dict[int, str]:
    page = list_tasks(workspace.store, PATH, status=None, limit=2_000)
    return {task.id: task.status for task in page}


def statuses_by_last_move(workspace: Workspace) -> dict[int, str]:
    """Return each task's status according to its last move."""
    with workspace.store.read() as session:
        moves = session.execute(text("SELECT task_id, to_status FROM task_moves ORDER BY id"))
        led = {move.task_id: move.to_status for move in moves}
    return {number: led.get(number, "pending") for number in range(1, 2_001)}
