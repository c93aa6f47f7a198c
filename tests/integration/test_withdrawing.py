"""Named tasks are withdrawn, all or none, and nobody who works on one wins too."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from people import AT, claim, counts, finish, make_tasks, recount
from tasks_lib.domain.lifecycle import Move
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import MoveNotAllowedError, UsageError
from tasks_lib.operations.tasks import move
from tasks_lib.operations.tasks.move import submit_task
from tasks_lib.operations.tasks.read import find_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.moves import TaskMove


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Store:
    """A store with three available tasks."""
    make_tasks(workspace, tmp_path, 3)
    return workspace.store


def test_named_tasks_are_withdrawn_all_or_none(store: Store) -> None:
    finish(store)
    claim(store)
    with pytest.raises(MoveNotAllowedError, match="task 1 is finished; withdraw is allowed from"):
        move.withdraw_tasks(store, [3, 2, 1], by="ben", at=AT)
    assert [find_task(store, number).status for number in (2, 3)] == ["in_progress", "pending"]
    withdrawn = move.withdraw_tasks(store, [3, 2, 3], by="ben", reason="wrong photos", at=AT)
    assert [(task.id, task.status, task.claimed_by) for task in withdrawn] == [
        (2, "withdrawn", None),
        (3, "withdrawn", None),
    ]
    assert move.withdraw_tasks(store, [2], by="ben", at=AT) == []
    assert find_task(store, 2).moves[-1] == TaskMove(
        Move.WITHDRAW, TaskStatus.IN_PROGRESS, TaskStatus.WITHDRAWN, "ben", "wrong photos", AT
    )
    with pytest.raises(MoveNotAllowedError, match="task 2 is withdrawn"):
        submit_task(store, 2, "ann", {"sentiment": "good"}, at=AT)
    assert counts(store) == recount(store)


def test_a_submission_and_a_withdrawal_do_not_both_win(store: Store) -> None:
    for _ in range(3):
        claim(store)
    start = threading.Barrier(2)

    def submit(number: int) -> bool:
        start.wait()
        try:
            submit_task(store, number, "ann", {"sentiment": "good"}, at=AT)
        except MoveNotAllowedError:
            return False
        return True

    def withdraw(number: int) -> bool:
        start.wait()
        try:
            move.withdraw_tasks(store, [number], by="ben", at=AT)
        except MoveNotAllowedError:
            return False
        return True

    for number in (1, 2, 3):
        with ThreadPoolExecutor(2) as pool:
            submitted, withdrawn = pool.submit(submit, number), pool.submit(withdraw, number)
            assert submitted.result() is not withdrawn.result()
        status = "finished" if submitted.result() else "withdrawn"
        assert find_task(store, number).status == status
    assert counts(store) == recount(store)


def test_tasks_must_be_named(store: Store) -> None:
    with pytest.raises(UsageError, match="name the tasks to withdraw by their numbers"):
        move.withdraw_tasks(store, [], by="ben", at=AT)
