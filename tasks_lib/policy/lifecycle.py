"""The lifecycle of a task: the one table of the moves that are allowed.

A move is made by one conditional statement in the store, which takes its condition from here.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from tasks_lib.domain.statuses import PipelineStatus, TaskStatus

_OPEN: Final = frozenset(TaskStatus) - {TaskStatus.FINISHED}
_BLOCKED: Final = frozenset({TaskStatus.FAILED, TaskStatus.ESCALATED, TaskStatus.QUARANTINED})


class Move(StrEnum):
    """What can be done with a task."""

    CLAIM = "claim"
    SUBMIT = "submit"
    RELEASE = "release"
    TIME_OUT = "time_out"
    FAIL = "fail"
    ESCALATE = "escalate"
    QUARANTINE = "quarantine"
    PUT_BACK = "put_back"
    PAUSE = "pause"
    RESUME = "resume"


class Rule(NamedTuple):
    """The statuses from which a move is allowed, and the one to which it leads.

    Where that is pending, a task of a paused pipeline becomes paused instead.
    """

    starts: frozenset[TaskStatus]
    end: TaskStatus


MOVES: Final[Mapping[Move, Rule]] = MappingProxyType(
    {
        Move.CLAIM: Rule(frozenset({TaskStatus.PENDING}), TaskStatus.IN_PROGRESS),
        Move.SUBMIT: Rule(frozenset({TaskStatus.IN_PROGRESS}), TaskStatus.FINISHED),
        Move.RELEASE: Rule(frozenset({TaskStatus.IN_PROGRESS}), TaskStatus.PENDING),
        Move.TIME_OUT: Rule(frozenset({TaskStatus.IN_PROGRESS}), TaskStatus.PENDING),
        Move.FAIL: Rule(_OPEN - {TaskStatus.FAILED}, TaskStatus.FAILED),
        Move.ESCALATE: Rule(_OPEN - {TaskStatus.ESCALATED}, TaskStatus.ESCALATED),
        Move.QUARANTINE: Rule(_OPEN - {TaskStatus.QUARANTINED}, TaskStatus.QUARANTINED),
        Move.PUT_BACK: Rule(_BLOCKED, TaskStatus.PENDING),
        Move.PAUSE: Rule(frozenset({TaskStatus.PENDING}), TaskStatus.PAUSED),
        Move.RESUME: Rule(frozenset({TaskStatus.PAUSED}), TaskStatus.PENDING),
    }
)
"""A finished task stays finished: what was made of its output would not follow it back."""

BY_STATUS: Final[Mapping[TaskStatus, Move]] = MappingProxyType(
    {
        TaskStatus.FAILED: Move.FAIL,
        TaskStatus.ESCALATED: Move.ESCALATE,
        TaskStatus.QUARANTINED: Move.QUARANTINE,
        TaskStatus.PENDING: Move.PUT_BACK,
    }
)
"""The statuses that a person may set, and the move that leads to each."""

FOLLOWING_MOVES: Final[Mapping[PipelineStatus, Move]] = MappingProxyType(
    {
        PipelineStatus.PAUSED: Move.PAUSE,
        PipelineStatus.ACTIVE: Move.RESUME,
        PipelineStatus.COMPLETED: Move.RESUME,  # its tasks are taken up when it is active again
    }
)
"""The move that a pipeline's tasks make when it comes to a status."""


def why_not(move: Move, task_id: int, status: TaskStatus) -> str:
    """Say why a task of this status cannot make the move, and from which it could."""
    starts = ", ".join(start.value for start in TaskStatus if start in MOVES[move].starts)
    return f"task {task_id} is {status.value}; {move.value} is allowed from {starts}"
