"""Move tasks: claim, submit and release them, set their status, and release expired claims.

A move is one conditional statement, so that exactly one of two people wins. If it moves nothing,
the task is read afterwards, only to explain why.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.audit import Action
from tasks_lib.domain.fields import check_requested_name
from tasks_lib.domain.lifecycle import BY_STATUS, Move, explain_refusal
from tasks_lib.domain.names import counted, is_storable, other_problems
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.domain.submission import GivenValues, ParsedValues, read_submission
from tasks_lib.errors import (
    MoveNotAllowedError,
    Problem,
    RejectedError,
    SourceProblemError,
    StoreUnavailableError,
    UsageError,
)
from tasks_lib.operations.tasks.read import Task, as_task, find_stored_task, find_task_in
from tasks_lib.store import audit, catalogue, infinite_seedings
from tasks_lib.store.engine import Store
from tasks_lib.store.removal import erasure
from tasks_lib.store.tasks.claim import claim_oldest, claim_oldest_on_postgresql
from tasks_lib.store.tasks.moves import (
    Note,
    Picks,
    list_pipelines_with_expired_claims,
    move_tasks,
)
from tasks_lib.store.tasks.queries import StoredTask, find_row_version

MAX_REASON_LENGTH: Final = 2_000
_CLAIM_SECONDS: Final = 20.0
_CLAIM_PAUSE_SECONDS: Final = 0.005


class SubmissionRejectedError(RejectedError):
    """A contributor's values were rejected; ``problems`` lists why, field by field."""

    code = "submission_rejected"

    def __init__(self, task_id: int, problems: Sequence[Problem]) -> None:
        more = other_problems(len(problems) - 1)
        first = f"{problems[0].field}: {problems[0].message}"
        message = f"the values for task {task_id} were rejected: {first}{more}"
        super().__init__(message, problems=problems)


def claim_task(store: Store, pipeline_id: int, contributor: str, *, at: datetime) -> Task | None:
    """Claim the oldest available task of the pipeline for the contributor; return it, or None.

    A pipeline that is not active has no available tasks. If infinite seeding is behind the claims,
    this creates its next tasks itself and retries, until it gets one of them or the target is
    reached. Raises StoreUnavailableError if others take all of them for too long.
    """
    note = Note(_check_contributor(contributor), at)
    claimed = _claim(store, pipeline_id, note)
    give_up_at = time.monotonic() + _CLAIM_SECONDS
    while claimed is None:
        with store.query() as session:
            is_below_target = infinite_seedings.is_below_target(session, pipeline_id)
        if is_below_target is None:
            return None
        if is_below_target:
            _top_up(store, pipeline_id, at=at)
        claimed = _claim(store, pipeline_id, note)  # the last tasks may be there only since then
        if claimed is None and not is_below_target:
            return None
        if claimed is None:
            time.sleep(_CLAIM_PAUSE_SECONDS)
        if claimed is None and time.monotonic() > give_up_at:
            raise StoreUnavailableError(
                f"no task of pipeline {pipeline_id} could be claimed for {_CLAIM_SECONDS:g} "
                "seconds: others claim the new ones faster"
            )
    return as_task(claimed)


def _top_up(store: Store, pipeline_id: int, *, at: datetime) -> None:
    """Top up a pipeline in which nothing could be claimed, without waiting for the sensor."""
    from tasks_lib.operations.infinite.top_up import top_up  # noqa: PLC0415 - loads Arrow

    top_up(store, pipeline_id, at=at)


def _claim(store: Store, pipeline_id: int, note: Note) -> StoredTask | None:
    if not store.is_postgresql:
        with store.write() as session:
            return claim_oldest(session, pipeline_id, note)
    with store.postgresql() as connection:
        task = claim_oldest_on_postgresql(connection, pipeline_id, note)
    if task is None or task.kind is not SeedKind.DATASET:
        return task
    with store.query() as session:
        return task._replace(version=find_row_version(session, task.id))


def submit_task(
    store: Store,
    task_id: int,
    contributor: str,
    values: GivenValues | Mapping[str, Any],
    *,
    at: datetime,
) -> Task:
    """Finish a task that the contributor has claimed.

    A mapping of values has them as ``parse_value`` reads them.

    Raises SubmissionRejectedError if a value does not fit its field, MoveNotAllowedError if the
    contributor has not claimed the task, and NotFoundError; then nothing is changed.
    """
    note = Note(_check_contributor(contributor), at)
    with store.write() as session:
        task = find_stored_task(session, task_id)
        _check_claimed_by(task, contributor)
        fields = catalogue.get_pipeline(session, task.pipeline_id).fields
        given = ParsedValues(values) if isinstance(values, Mapping) else values
        try:
            filled_in, problems = read_submission(fields, orjson.loads(task.predefined), given)
        except SourceProblemError as error:  # a pattern that takes too long
            raise SubmissionRejectedError(task_id, error.problems) from None
        if problems:
            raise SubmissionRejectedError(task_id, problems)
        picks = Picks(task_id, claimed_by=contributor)
        return _move(session, task, Move.SUBMIT, picks, note, filled_in)


def release_task(
    store: Store, task_id: int, *, contributor: str | None = None, at: datetime
) -> Task:
    """Release a claimed task; with ``contributor``, only if that contributor has claimed it.

    Raises MoveNotAllowedError and NotFoundError.
    """
    note = Note(_check_contributor(contributor) if contributor is not None else None, at)
    with store.write() as session:
        task = find_stored_task(session, task_id)
        if contributor is not None:
            _check_claimed_by(task, contributor)
        picks = Picks(task_id, claimed_by=contributor)
        return _move(session, task, Move.RELEASE, picks, note)


def set_status(
    store: Store,
    task_id: int,
    status: TaskStatus,
    *,
    by: str | None = None,
    reason: str | None = None,
    at: datetime,
) -> Task:
    """Fail, escalate, quarantine or withdraw a task, or make it available again (``pending``).

    Raises UsageError for any other status, MoveNotAllowedError and NotFoundError.
    """
    move = BY_STATUS.get(status)
    if move is None:
        settable = ", ".join(settable.value for settable in BY_STATUS)
        raise UsageError(
            f"a task is not set to {status.value} by hand; it can be set to {settable}"
        )
    _check_reason(reason)
    note = Note(_check_contributor(by) if by is not None else None, at, reason)
    with store.write() as session:
        if move is Move.PUT_BACK and erasure.is_erased(session, task_id):
            raise MoveNotAllowedError(f"task {task_id} was erased; it cannot be put back")
        moved = _move(session, find_stored_task(session, task_id), move, Picks(task_id), note)
        if move is Move.WITHDRAW:
            _record_withdrawal(session, [moved], by=store.actor, note=note)
        return moved


def withdraw_tasks(
    store: Store,
    task_ids: Sequence[int],
    *,
    by: str,
    reason: str | None = None,
    at: datetime,
) -> list[Task]:
    """Withdraw the named tasks, claimed ones too, all of them or none; return them.

    Tasks that are withdrawn already stay as they are. Raises MoveNotAllowedError if one of them is
    finished, NotFoundError, and UsageError.
    """
    _check_reason(reason)
    if not task_ids:
        raise UsageError("name the tasks to withdraw by their numbers")
    note = Note(by, at, reason)
    with store.write() as session:
        # In order of their ids, so that two transactions that lock the same tasks cannot deadlock.
        tasks_to_move = [find_stored_task(session, task_id) for task_id in sorted(set(task_ids))]
        withdrawn = [
            _move(session, task, Move.WITHDRAW, Picks(task.id), note)
            for task in tasks_to_move
            if task.status is not TaskStatus.WITHDRAWN
        ]
        _record_withdrawal(session, withdrawn, by=by, note=note)
        return withdrawn


def _record_withdrawal(session: Session, withdrawn: Sequence[Task], *, by: str, note: Note) -> None:
    """Record the withdrawal of tasks, in one entry for each of their pipelines."""
    for pipeline_id in sorted({task.pipeline_id for task in withdrawn}):
        numbers = [task.id for task in withdrawn if task.pipeline_id == pipeline_id]
        audit.record_for_pipeline(
            session,
            pipeline_id,
            Action.TASKS_WITHDRAWN,
            f"{counted(len(numbers), 'task')} of pipeline {pipeline_id}",
            by=by,
            at=note.at,
            details={"tasks": numbers, "reason": note.reason},
        )


def release_expired_claims(store: Store, *, at: datetime) -> int:
    """Release the tasks whose claims have expired; return how many.

    Can run at any time, also several times at once and while contributors submit; after an
    interruption the next call continues.
    """
    with store.read() as session:
        pipeline_ids = list_pipelines_with_expired_claims(session, at)
    return sum(_release_expired(store, pipeline_id, at) for pipeline_id in pipeline_ids)


def _release_expired(store: Store, pipeline_id: int, at: datetime) -> int:
    note = Note(None, at, "the claim has expired")
    released = 0
    while True:
        with store.write() as session:
            moved = move_tasks(session, pipeline_id, Move.TIME_OUT, Picks(expired_at=at), note)
        released += len(moved)
        if not moved:
            return released


def move_task_in(session: Session, task: StoredTask, move: Move, note: Note) -> Task:
    """Move one task in the caller's transaction; raise MoveNotAllowedError."""
    return _move(session, task, move, Picks(task.id), note)


def _move(
    session: Session,
    task: StoredTask,
    move: Move,
    picks: Picks,
    note: Note,
    filled_in: str | None = None,
) -> Task:
    if not move_tasks(session, task.pipeline_id, move, picks, note, filled_in=filled_in):
        current = find_stored_task(session, task.id)
        if picks.claimed_by is not None:
            _check_claimed_by(current, picks.claimed_by)
        raise MoveNotAllowedError(explain_refusal(move, current.id, current.status))
    return find_task_in(session, task.id)


def _check_claimed_by(task: StoredTask, contributor: str) -> None:
    if task.status is not TaskStatus.IN_PROGRESS:
        raise MoveNotAllowedError(
            f"task {task.id} is {task.status.value}; "
            "only a claimed task can be submitted or released"
        )
    if task.claimed_by != contributor:
        raise MoveNotAllowedError(
            f"task {task.id} is claimed by someone other than {contributor!r}"
        )


def _check_reason(reason: str | None) -> None:
    if reason is not None and (len(reason) > MAX_REASON_LENGTH or not is_storable(reason)):
        raise UsageError(
            f"the reason must have at most {MAX_REASON_LENGTH:,} characters, none of them NUL"
        )


def _check_contributor(contributor: str) -> str:
    check_requested_name(contributor, "contributor")
    return contributor
