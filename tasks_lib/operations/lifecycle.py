"""What contributors do with tasks: claim, submit, release; and what is done about the others.

A move is made by one statement that has its condition in it, so that of two people exactly one
wins. What it did not move is looked at afterwards, only to say why.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import check_name
from tasks_lib.domain.names import is_storable
from tasks_lib.domain.problems import Problem
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.domain.submission import read_submission
from tasks_lib.errors import MoveNotAllowedError, NotFoundError, RejectedError, UsageError
from tasks_lib.operations.queries import Task, as_task, find_task_in
from tasks_lib.operations.topping_up import make_up
from tasks_lib.policy.lifecycle import BY_STATUS, Move, why_not
from tasks_lib.store import catalogue, tasks
from tasks_lib.store.engine import Store
from tasks_lib.store.moves import (
    Moved,
    Note,
    Picks,
    move_tasks,
    pipelines_with_expired_claims,
)
from tasks_lib.store.tasks import StoredTask

MAX_REASON_LENGTH: Final = 2_000


class SubmissionRejectedError(RejectedError):
    """A contributor's values were turned away; ``problems`` says why, field by field."""

    code = "submission_rejected"

    def __init__(self, task_id: int, problems: Sequence[Problem]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        first = f"{problems[0].field}: {problems[0].message}"
        super().__init__(f"the values for task {task_id} were rejected: {first}{more}")
        self.problems = tuple(problems)


def claim_task(store: Store, pipeline: Pipeline, contributor: str, *, at: datetime) -> Task | None:
    """Give the contributor the oldest available task of an active pipeline, or return None."""
    return claim_by_number(store, pipeline.id, contributor, at=at)


def claim_by_number(
    store: Store, pipeline_id: int, contributor: str, *, at: datetime
) -> Task | None:
    """Do the same in a pipeline of which no more is known than its number.

    Where infinite seeding has not kept up with the claims, its tasks are made here and now.
    """
    note = Note(_checked(contributor), at)
    claimed = _claim(store, pipeline_id, note)
    if claimed is None and make_up(store, pipeline_id, at=at):
        claimed = _claim(store, pipeline_id, note)
    return as_task(claimed) if claimed is not None else None


def _claim(store: Store, pipeline_id: int, note: Note) -> StoredTask | None:
    with store.statement() as session:
        return tasks.claim_oldest(session, pipeline_id, note)


def submit_task(
    store: Store, task_id: int, contributor: str, values: Mapping[str, Any], *, at: datetime
) -> Task:
    """Finish a task that the contributor has claimed, with values as ``parse_value`` reads them.

    Raises SubmissionRejectedError for values that the fields do not take, MoveNotAllowedError for a
    task that the contributor does not hold, and NotFoundError; nothing is changed then.
    """
    note = Note(_checked(contributor), at)
    with store.write() as session:
        row = _row(session, task_id)
        _check_holder(row, contributor)
        fields = catalogue.find_pipeline(session, str(row.pipeline_id)).fields
        filled_in, problems = read_submission(fields, orjson.loads(row.predefined), values)
        if problems:
            raise SubmissionRejectedError(task_id, problems)
        picks = Picks(task_id, claimed_by=contributor)
        return _moved(session, row, Move.SUBMIT, picks, note, filled_in)


def release_task(
    store: Store, task_id: int, *, contributor: str | None = None, at: datetime
) -> Task:
    """Put a claimed task back; with ``contributor``, only if it is the one who has claimed it."""
    note = Note(_checked(contributor) if contributor is not None else None, at)
    with store.write() as session:
        row = _row(session, task_id)
        if contributor is not None:
            _check_holder(row, contributor)
        picks = Picks(task_id, claimed_by=contributor)
        return _moved(session, row, Move.RELEASE, picks, note)


def set_status(
    store: Store,
    task_id: int,
    status: TaskStatus,
    *,
    by: str | None = None,
    reason: str | None = None,
    at: datetime,
) -> Task:
    """Fail, escalate or quarantine a task, or put it back (pending), for a reason.

    Raises UsageError for any other status, MoveNotAllowedError and NotFoundError.
    """
    move = BY_STATUS.get(status)
    if move is None:
        settable = ", ".join(settable.value for settable in BY_STATUS)
        raise UsageError(
            f"a task is not set to {status.value} by hand; it can be set to {settable}"
        )
    if reason is not None and (len(reason) > MAX_REASON_LENGTH or not is_storable(reason)):
        raise UsageError(
            f"the reason must have at most {MAX_REASON_LENGTH:,} characters, none of them NUL"
        )
    note = Note(_checked(by) if by is not None else None, at, reason)
    with store.write() as session:
        return _moved(session, _row(session, task_id), move, Picks(task_id), note)


def release_expired_claims(store: Store, *, at: datetime) -> int:
    """Put back the tasks whose claims have expired; return how many.

    May run at any time, beside itself and beside those who submit; interrupted, the next one goes
    on.
    """
    with store.read() as session:
        pipeline_ids = pipelines_with_expired_claims(session, at)
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


def _moved(
    session: Session,
    row: StoredTask,
    move: Move,
    picks: Picks,
    note: Note,
    filled_in: str | None = None,
) -> Task:
    moved: list[Moved] = move_tasks(
        session, row.pipeline_id, move, picks, note, filled_in=filled_in
    )
    if not moved:
        now = _row(session, row.id)
        if picks.claimed_by is not None:
            _check_holder(now, picks.claimed_by)
        raise MoveNotAllowedError(why_not(move, now.id, TaskStatus(now.status)))
    return find_task_in(session, row.id)


def _row(session: Session, task_id: int) -> StoredTask:
    found = tasks.find_task(session, task_id)
    if found is None:
        raise NotFoundError(f"there is no task {task_id}")
    return found


def _check_holder(row: StoredTask, contributor: str) -> None:
    if row.status != TaskStatus.IN_PROGRESS.value:
        raise MoveNotAllowedError(
            f"task {row.id} is {row.status}; only a claimed task can be submitted or released"
        )
    if row.claimed_by != contributor:
        raise MoveNotAllowedError(f"task {row.id} is claimed by somebody else than {contributor!r}")


def _checked(contributor: str) -> str:
    try:
        check_name(contributor, "contributor")
    except ValueError as error:
        raise UsageError(str(error)) from None
    return contributor
