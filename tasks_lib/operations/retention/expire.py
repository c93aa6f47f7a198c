"""Delete the tasks whose retention is over, and the references to files that only they had.

A pass looks once at all tasks of a pipeline that are done. It deletes some hundreds in each
transaction, so that claims and loads go on beside it, and records how far it has come: after an
interruption the next call continues. At the end of a pass the numbers go to the audit trail.
"""

import time
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.audit import Action
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.store import audit, catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.removal import retention, undo
from tasks_lib.store.removal.retention import Place

_SECONDS: Final = 20.0
"""How long a call deletes, so that other upkeep goes on; the next call continues."""

_TRIES: Final = 10
_BETWEEN_TRIES: Final = 0.1


def delete_expired(
    store: Store, *, at: datetime, begins: bool = True, seconds: float = _SECONDS
) -> int:
    """Delete expired tasks of all pipelines for some seconds; return their number.

    Without ``begins`` only passes that were begun and not ended are continued. Several callers can
    do this at once. A pipeline in which others create tasks all the time is left for the next call.
    """
    give_up_at = time.monotonic() + seconds
    with store.read() as session:
        pipeline_ids = retention.list_pipelines(session, in_progress=not begins)
    deleted = sum(_pass_through(store, one, at, give_up_at) for one in pipeline_ids)
    while time.monotonic() < give_up_at and _drop_files(store):
        pass
    return deleted


def _pass_through(store: Store, pipeline_id: int, at: datetime, give_up_at: float) -> int:
    """Continue or begin the pass through a pipeline; return how many tasks were deleted."""
    total = tries = 0
    while tries < _TRIES and time.monotonic() < give_up_at:
        with store.write() as session:
            step = _take_step(session, store, pipeline_id, at)
        if step is None:
            tries += 1
            time.sleep(_BETWEEN_TRIES)
            continue
        total, tries = total + step.deleted, 0
        if step.is_last:
            break
    return total


class _Step(NamedTuple):
    """How many tasks were deleted, and whether they were the last ones of the pass."""

    deleted: int
    is_last: bool


def _take_step(session: Session, store: Store, pipeline_id: int, at: datetime) -> _Step | None:
    """Delete some tasks in the caller's transaction; return None if others have the pipeline."""
    if not retention.lock_for_deletion(session, pipeline_id):
        return None
    pipeline = catalogue.get_pipeline(session, pipeline_id)
    statuses = list(pipeline.retention.by_status)
    if not statuses:
        return _Step(0, is_last=True)
    place = retention.find_place(session, pipeline_id)
    if place is None or place.status not in statuses:
        place = Place(statuses[0])
    deleted, following = retention.delete_next(session, pipeline, place, at=at)
    if following is None:
        left = statuses[statuses.index(place.status) + 1 :]
        following = Place(left[0]) if left else None
    retention.save_place(session, pipeline_id, following, (place.status, deleted))
    if following is None:
        _record(session, store, pipeline, at)
    return _Step(deleted, is_last=following is None)


def _record(session: Session, store: Store, pipeline: Pipeline, at: datetime) -> None:
    """Record in the audit trail how many tasks were deleted since the last pass."""
    numbers = retention.take_unrecorded(session, pipeline.id)
    if numbers:
        audit.record(
            session,
            pipeline.organization_id,
            Action.TASKS_EXPIRED,
            f"pipeline {pipeline.path}",
            by=store.actor,
            at=at,
            details=numbers,
        )


def _drop_files(store: Store) -> bool:
    """Drop a group's references to files that only deleted tasks had; return False if none has."""
    with store.write() as session:
        group = retention.lock_stale_group(session)
        if group is None:
            return False
        fields = catalogue.get_pipeline(session, group.pipeline_id).file_fields
        undo.drop_file_references(session, group.id, [field.name for field in fields])
        return True
