"""The lifecycle of a task: the only table of allowed moves.

The store makes a move by one conditional statement and takes the condition from here.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from tasks_lib.domain.statuses import PipelineStatus, TaskStatus

_OPEN: Final = frozenset(TaskStatus) - {TaskStatus.FINISHED, TaskStatus.WITHDRAWN}
BLOCKED: Final = frozenset({TaskStatus.FAILED, TaskStatus.ESCALATED, TaskStatus.QUARANTINED})


class Move(StrEnum):
    """A change of a task's status."""

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
    WITHDRAW = "withdraw"
    MISS = "miss"
    RETURN = "return"


class Rule(NamedTuple):
    """The statuses from which a move is allowed, and the status to which it leads.

    Both are statuses as they are stored, see ``show_status``.
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
        Move.PUT_BACK: Rule(BLOCKED | {TaskStatus.WITHDRAWN}, TaskStatus.PENDING),
        Move.PAUSE: Rule(frozenset({TaskStatus.PENDING}), TaskStatus.PAUSED),
        Move.RESUME: Rule(frozenset({TaskStatus.PAUSED}), TaskStatus.PENDING),
        Move.WITHDRAW: Rule(_OPEN, TaskStatus.WITHDRAWN),
        Move.MISS: Rule(_OPEN - {TaskStatus.IN_PROGRESS}, TaskStatus.WITHDRAWN),
        Move.RETURN: Rule(frozenset({TaskStatus.WITHDRAWN}), TaskStatus.PENDING),
    }
)
"""A finished task stays finished: tasks made from its output would not be undone.

A claimed task is withdrawn only if it is named by its number; bulk withdrawals leave it out.
"""

BY_STATUS: Final[Mapping[TaskStatus, Move]] = MappingProxyType(
    {
        TaskStatus.FAILED: Move.FAIL,
        TaskStatus.ESCALATED: Move.ESCALATE,
        TaskStatus.QUARANTINED: Move.QUARANTINE,
        TaskStatus.WITHDRAWN: Move.WITHDRAW,
        TaskStatus.PENDING: Move.PUT_BACK,
    }
)
"""The statuses that a person can set, and the move that leads to each."""

DONE: Final = frozenset({TaskStatus.FINISHED, TaskStatus.WITHDRAWN})
"""The statuses in which nothing is left to do: a pipeline of such tasks is finished."""


def show_status(stored: TaskStatus, pipeline: PipelineStatus) -> TaskStatus:
    """Return the status of a task that readers see: paused if it waits in a paused pipeline.

    Pausing a pipeline changes no task, however many it has. A task that is paused itself stays
    paused when the pipeline is resumed.
    """
    is_waiting = stored is TaskStatus.PENDING and pipeline is PipelineStatus.PAUSED
    return TaskStatus.PAUSED if is_waiting else stored


def stored_as(status: TaskStatus, pipeline: PipelineStatus) -> frozenset[TaskStatus]:
    """Return the stored statuses of the tasks that readers see with this status."""
    return frozenset(stored for stored in TaskStatus if show_status(stored, pipeline) is status)


def explain_refusal(move: Move, task_id: int, status: TaskStatus) -> str:
    """Return the sentence that explains why a task with this status cannot make the move."""
    starts = ", ".join(start.value for start in TaskStatus if start in MOVES[move].starts)
    return f"task {task_id} is {status.value}; {move.value} is allowed from {starts}"
