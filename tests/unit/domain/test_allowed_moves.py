"""The complete table of moves: the moves that each status allows, and the status after each."""

import pytest

from tasks_lib.domain.lifecycle import BY_STATUS, MOVES, Move, explain_refusal
from tasks_lib.domain.statuses import TaskStatus

ALLOWED = {
    ("pending", "claim"): "in_progress",
    ("pending", "fail"): "failed",
    ("pending", "escalate"): "escalated",
    ("pending", "quarantine"): "quarantined",
    ("pending", "pause"): "paused",
    ("pending", "withdraw"): "withdrawn",
    ("pending", "miss"): "withdrawn",
    ("in_progress", "submit"): "finished",
    ("in_progress", "release"): "pending",
    ("in_progress", "time_out"): "pending",
    ("in_progress", "fail"): "failed",
    ("in_progress", "escalate"): "escalated",
    ("in_progress", "quarantine"): "quarantined",
    ("in_progress", "withdraw"): "withdrawn",
    ("paused", "resume"): "pending",
    ("paused", "fail"): "failed",
    ("paused", "escalate"): "escalated",
    ("paused", "quarantine"): "quarantined",
    ("paused", "withdraw"): "withdrawn",
    ("paused", "miss"): "withdrawn",
    ("failed", "escalate"): "escalated",
    ("failed", "quarantine"): "quarantined",
    ("failed", "put_back"): "pending",
    ("failed", "withdraw"): "withdrawn",
    ("failed", "miss"): "withdrawn",
    ("escalated", "fail"): "failed",
    ("escalated", "quarantine"): "quarantined",
    ("escalated", "put_back"): "pending",
    ("escalated", "withdraw"): "withdrawn",
    ("escalated", "miss"): "withdrawn",
    ("quarantined", "fail"): "failed",
    ("quarantined", "escalate"): "escalated",
    ("quarantined", "put_back"): "pending",
    ("quarantined", "withdraw"): "withdrawn",
    ("quarantined", "miss"): "withdrawn",
    ("withdrawn", "put_back"): "pending",
    ("withdrawn", "return"): "pending",
}
"""All allowed moves."""


def test_only_these_moves_are_allowed() -> None:
    moves = {
        (start.value, move.value): rule.end.value
        for move, rule in MOVES.items()
        for start in rule.starts
    }
    assert moves == ALLOWED


def test_every_move_has_a_rule() -> None:
    assert set(MOVES) == set(Move)


def test_no_move_leads_out_of_finished() -> None:
    assert [move for move, rule in MOVES.items() if TaskStatus.FINISHED in rule.starts] == []


@pytest.mark.parametrize(("status", "move"), BY_STATUS.items())
def test_a_status_that_a_person_may_set_is_the_end_of_its_move(
    status: TaskStatus, move: Move
) -> None:
    assert MOVES[move].end is status


def test_a_refusal_names_the_status_and_the_statuses_that_allow_the_move() -> None:
    assert explain_refusal(Move.PUT_BACK, 7, TaskStatus.FINISHED) == (
        "task 7 is finished; put_back is allowed from escalated, quarantined, failed, withdrawn"
    )
