"""The table of moves, whole: what each status allows, and where it leads."""

import pytest

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.policy.lifecycle import BY_STATUS, MOVES, Move, why_not

ALLOWED = {
    ("pending", "claim"): "in_progress",
    ("pending", "fail"): "failed",
    ("pending", "escalate"): "escalated",
    ("pending", "quarantine"): "quarantined",
    ("pending", "pause"): "paused",
    ("in_progress", "submit"): "finished",
    ("in_progress", "release"): "pending",
    ("in_progress", "time_out"): "pending",
    ("in_progress", "fail"): "failed",
    ("in_progress", "escalate"): "escalated",
    ("in_progress", "quarantine"): "quarantined",
    ("paused", "resume"): "pending",
    ("paused", "fail"): "failed",
    ("paused", "escalate"): "escalated",
    ("paused", "quarantine"): "quarantined",
    ("failed", "escalate"): "escalated",
    ("failed", "quarantine"): "quarantined",
    ("failed", "put_back"): "pending",
    ("escalated", "fail"): "failed",
    ("escalated", "quarantine"): "quarantined",
    ("escalated", "put_back"): "pending",
    ("quarantined", "fail"): "failed",
    ("quarantined", "escalate"): "escalated",
    ("quarantined", "put_back"): "pending",
}
"""Every move that is allowed; any other is not."""


def test_the_moves_are_these_and_no_others() -> None:
    found = {
        (start.value, move.value): rule.end.value
        for move, rule in MOVES.items()
        for start in rule.starts
    }
    assert found == ALLOWED


def test_every_move_has_a_rule() -> None:
    assert set(MOVES) == set(Move)


def test_no_move_leads_out_of_finished() -> None:
    assert [move for move, rule in MOVES.items() if TaskStatus.FINISHED in rule.starts] == []


@pytest.mark.parametrize(("status", "move"), BY_STATUS.items())
def test_a_status_that_a_person_may_set_is_where_its_move_leads(
    status: TaskStatus, move: Move
) -> None:
    assert MOVES[move].end is status


def test_a_refusal_says_where_the_task_stands_and_from_where_the_move_is_allowed() -> None:
    assert why_not(Move.PUT_BACK, 7, TaskStatus.FINISHED) == (
        "task 7 is finished; put_back is allowed from escalated, quarantined, failed"
    )
