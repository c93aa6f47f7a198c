"""The moves of tasks by contributors, on both databases."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from people import (
    AT,
    NO_TASKS,
    claim,
    counts,
    finish,
    make_tasks,
    recount,
    set_pipeline_status,
    set_status,
)
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.lifecycle import MOVES, Move
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import MoveNotAllowedError, NotFoundError, Problem, UsageError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.tasks import move
from tasks_lib.operations.tasks.move import (
    SubmissionRejectedError,
    claim_task,
    release_expired_claims,
    release_task,
    submit_task,
)
from tasks_lib.operations.tasks.read import find_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.counts import Counts
from tasks_lib.store.tasks.moves import Moved, Note, Picks, TaskMove, move_tasks

TIMEOUT = timedelta(minutes=30)
"""The claim time-out of the catalogue of these tests."""


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Store:
    """A store with two available tasks, 1 and 2."""
    make_tasks(workspace, tmp_path, 2)
    return workspace.store


def test_a_claim_takes_the_oldest_task_and_gives_its_expiry(store: Store) -> None:
    task = claim(store, "ann")
    assert (task.id, task.status, task.claimed_by) == (1, "in_progress", "ann")
    assert (task.claimed_at, task.claim_expires_at) == (AT, AT + TIMEOUT)


def test_each_task_is_claimed_once_and_then_none_is_left(store: Store, pipeline: Pipeline) -> None:
    assert [claim(store, name).id for name in ("ann", "ben")] == [1, 2]
    assert claim_task(store, pipeline.id, "cid", at=AT) is None


def test_a_submission_finishes_the_task_and_adds_its_values(store: Store) -> None:
    claim(store, "ann")
    done = submit_task(store, 1, "ann", {"sentiment": "good"}, at=AT)
    assert (done.status, done.finished_at, done.claimed_by) == ("finished", AT, "ann")
    assert done.claim_expires_at is None
    assert done.fields == (
        '{"review_id":"people.csv-0","body":"body","stars":5,"sentiment":"good"}'
    )


def test_every_move_records_contributor_time_and_reason(store: Store) -> None:
    claim(store, "ann")
    release_task(store, 1, contributor="ann", at=AT)
    claim(store, "ben")
    move.set_status(
        store, 1, TaskStatus.ESCALATED, by="ben", reason="not in a language of mine", at=AT
    )
    move.set_status(store, 1, TaskStatus.PENDING, at=AT)
    assert find_task(store, 1).moves == (
        TaskMove(Move.CLAIM, TaskStatus.PENDING, TaskStatus.IN_PROGRESS, "ann", None, AT),
        TaskMove(Move.RELEASE, TaskStatus.IN_PROGRESS, TaskStatus.PENDING, "ann", None, AT),
        TaskMove(Move.CLAIM, TaskStatus.PENDING, TaskStatus.IN_PROGRESS, "ben", None, AT),
        TaskMove(
            Move.ESCALATE,
            TaskStatus.IN_PROGRESS,
            TaskStatus.ESCALATED,
            "ben",
            "not in a language of mine",
            AT,
        ),
        TaskMove(Move.PUT_BACK, TaskStatus.ESCALATED, TaskStatus.PENDING, None, None, AT),
    )


def test_a_task_that_is_put_back_has_no_claim(store: Store) -> None:
    claim(store, "ann")
    task = release_task(store, 1, at=AT)
    assert (task.status, task.claimed_by, task.claimed_at, task.claim_expires_at) == (
        "pending", None, None, None,
    )  # fmt: skip


def test_the_counts_follow_every_move(store: Store) -> None:
    claim(store)
    assert counts(store) == Counts(NO_TASKS | {TaskStatus.PENDING: 1, TaskStatus.IN_PROGRESS: 1}, 1)
    submit_task(store, 1, "ann", {"sentiment": "bad"}, at=AT)
    move.set_status(store, 2, TaskStatus.FAILED, at=AT)
    assert counts(store) == Counts(NO_TASKS | {TaskStatus.FINISHED: 1, TaskStatus.FAILED: 1}, 1)
    assert counts(store) == recount(store)


@pytest.mark.parametrize("move", Move)
@pytest.mark.parametrize("status", TaskStatus)
def test_a_move_outside_the_transition_table_changes_nothing(
    store: Store, status: TaskStatus, move: Move, pipeline: Pipeline
) -> None:
    set_status(store, 1, status.value)
    set_status(store, 2, TaskStatus.FAILED.value)
    with store.write() as session:
        if move is Move.CLAIM:
            claimed = claim_task(store.within(session), pipeline.id, "ann", at=AT)
            moved = [Moved(claimed.id, status, claimed.status)] if claimed else []
        else:
            moved = move_tasks(
                session, pipeline.id, move, Picks(task_id=1), Note("ann", AT), filled_in="{}"
            )
    rule = MOVES[move]
    expected = [Moved(1, status, rule.end)] if status in rule.starts else []
    task = find_task(store, 1)
    assert moved == expected
    assert task.status == (rule.end if expected else status)
    assert len(task.moves) == len(expected)
    assert counts(store).by_status == recount(store).by_status


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("pending", "task 1 is pending; only a claimed task can be submitted or released"),
        ("finished", "task 1 is finished; only a claimed task can be submitted or released"),
    ],
)
def test_only_a_claimed_task_can_be_submitted(store: Store, status: str, sentence: str) -> None:
    set_status(store, 1, status)
    with pytest.raises(MoveNotAllowedError) as caught:
        submit_task(store, 1, "ann", {"sentiment": "good"}, at=AT)
    assert str(caught.value) == sentence
    assert find_task(store, 1).status == status


def test_another_contributors_task_cannot_be_submitted_or_released(store: Store) -> None:
    claim(store, "ann")
    sentence = "task 1 is claimed by someone other than 'ben'"
    with pytest.raises(MoveNotAllowedError, match=sentence):
        submit_task(store, 1, "ben", {"sentiment": "good"}, at=AT)
    with pytest.raises(MoveNotAllowedError, match=sentence):
        release_task(store, 1, contributor="ben", at=AT)
    assert find_task(store, 1).claimed_by == "ann"


def test_values_that_do_not_fit_leave_the_task_claimed(store: Store) -> None:
    claim(store, "ann")
    with pytest.raises(SubmissionRejectedError) as caught:
        submit_task(store, 1, "ann", {"sentiment": "meh", "stars": "1"}, at=AT)
    assert caught.value.problems == (
        Problem("read_only_field", "field 'stars' came with the task and is read-only", None,
                "stars"),
        Problem("not_an_option", "'meh' is not one of the options (good, bad, mixed)", None,
                "sentiment"),
    )  # fmt: skip
    assert str(caught.value) == (
        "the values for task 1 were rejected: stars: field 'stars' came with the task and is "
        "read-only (and 1 more problem)"
    )
    assert find_task(store, 1).status == "in_progress"


@pytest.mark.parametrize("status", ["draft", "paused", "completed", "archived"])
def test_only_an_active_pipeline_hands_out_tasks(
    store: Store, pipeline: Pipeline, status: str
) -> None:
    set_pipeline_status(store, status)
    assert claim_task(store, pipeline.id, "ann", at=AT) is None


@pytest.mark.parametrize("status", ["in_progress", "finished", "paused"])
def test_only_some_statuses_are_set_by_hand(store: Store, status: str) -> None:
    with pytest.raises(UsageError) as caught:
        move.set_status(store, 1, TaskStatus(status), at=AT)
    assert str(caught.value) == (
        f"a task is not set to {status} by hand; it can be set to failed, escalated, quarantined, "
        "withdrawn, pending"
    )


def test_a_finished_task_stays_finished(store: Store) -> None:
    finish(store)
    with pytest.raises(MoveNotAllowedError, match="task 1 is finished; fail is allowed from"):
        move.set_status(store, 1, TaskStatus.FAILED, at=AT)


def test_a_missing_task_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match="there is no task 99"):
        submit_task(store, 99, "ann", {}, at=AT)


@pytest.mark.parametrize("name", ["", " ann", "a\x00n", "x" * 201, "a\u200bn"])
def test_an_invalid_contributor_name_is_a_usage_error(
    store: Store, pipeline: Pipeline, name: str
) -> None:
    with pytest.raises(UsageError, match="contributor name"):
        claim_task(store, pipeline.id, name, at=AT)


def test_an_expired_claim_is_released_and_others_are_not(store: Store) -> None:
    claim(store, "ann", AT)
    claim(store, "ben", AT + timedelta(seconds=1))
    assert release_expired_claims(store, at=AT + TIMEOUT) == 1
    assert [find_task(store, number).status for number in (1, 2)] == [
        "pending", "in_progress",
    ]  # fmt: skip
    assert find_task(store, 1).moves[-1] == TaskMove(
        Move.TIME_OUT,
        TaskStatus.IN_PROGRESS,
        TaskStatus.PENDING,
        None,
        "the claim has expired",
        AT + TIMEOUT,
    )
    assert counts(store) == recount(store)


def test_a_late_contributor_can_submit_until_the_claim_is_released(store: Store) -> None:
    claim(store, "ann", AT)
    late = AT + 2 * TIMEOUT
    done = submit_task(store, 1, "ann", {"sentiment": "good"}, at=late)
    assert (done.status, release_expired_claims(store, at=late)) == ("finished", 0)


def set_in_catalogue(workspace: Workspace, catalogue_file: Path, status: str) -> None:
    """Apply the catalogue with another status of the pipeline."""
    described = catalogue_file.read_text(encoding="utf-8")
    timeout = "claim_timeout: 30m"
    changed = described.replace(timeout, f"{timeout}\n            status: {status}")
    path = catalogue_file.with_name("changed.yaml")
    path.write_text(changed, encoding="utf-8")
    apply_catalogue(workspace.store, path)


def test_pausing_a_pipeline_pauses_its_available_tasks_and_resuming_it_brings_them_back(
    workspace: Workspace, store: Store, catalogue_file: Path
) -> None:
    claim(store, "ann")
    set_in_catalogue(workspace, catalogue_file, "paused")
    assert counts(store).by_status == NO_TASKS | {TaskStatus.PAUSED: 1, TaskStatus.IN_PROGRESS: 1}
    assert release_task(store, 1, at=AT).status == "paused"
    set_in_catalogue(workspace, catalogue_file, "active")
    assert counts(store) == recount(store)
    assert counts(store).by_status == NO_TASKS | {TaskStatus.PENDING: 2}
    assert [move.move for move in find_task(store, 1).moves] == [
        "claim", "release",
    ]  # fmt: skip


def test_a_move_whose_transaction_is_rolled_back_leaves_no_trace(
    store: Store, pipeline: Pipeline
) -> None:
    def broken(session: Any) -> None:
        claim_task(store.within(session), pipeline.id, "ann", at=AT)
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"), store.write() as session:
        broken(session)
    assert find_task(store, 1).moves == ()
    assert counts(store) == Counts(NO_TASKS | {TaskStatus.PENDING: 2}, 0)
