"""Undo a group: remove its untouched tasks, keep the others, and keep the group as a record.

The first transaction records that the group is being undone. Each of the next ones removes some
thousands of tasks and updates all counts, so that claims go on beside it. The last one records that
the group is undone. After a kill in between, the next call or upkeep continues.
"""

import time
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.audit import Action
from tasks_lib.domain.lifecycle import show_status
from tasks_lib.domain.names import counted
from tasks_lib.domain.statuses import GroupState
from tasks_lib.errors import ConflictError, NotFoundError
from tasks_lib.store import audit, catalogue, infinite_seedings
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups
from tasks_lib.store.removal import undo
from tasks_lib.store.removal.undo import KeptTask, Undo
from tasks_lib.store.tasks import queues

MAX_KEPT_SHOWN: Final = 100
_UPKEEP_SECONDS: Final = 20.0


class UndoReport(NamedTuple):
    """How many tasks of a group were removed and kept, and the first ones that were kept.

    While ``state`` is ``undoing``, more tasks will be removed. In a dry run the numbers are those
    of an undo at this moment.
    """

    group_id: int
    pipeline_id: int
    state: GroupState
    removed: int
    kept: int
    kept_tasks: list[KeptTask]
    dry_run: bool = False

    @property
    def sentence(self) -> str:
        """The report as a sentence."""
        would = "would be " if self.dry_run else ""
        kept = f"; {self.kept:,} kept, because somebody has worked on them" if self.kept else ""
        more = "; the rest follows" if self.state is GroupState.UNDOING else ""
        removed = f"{counted(self.removed, 'task')} {would}removed"
        return f"Group {self.group_id}: {removed}{kept}{more}."


def undo_group(
    store: Store,
    group_id: int,
    *,
    by: str,
    at: datetime,
    flows_again: bool = False,
    seconds: float | None = None,
) -> UndoReport:
    """Remove the group's untouched tasks; return what was removed and kept.

    With ``flows_again`` the rows or tasks that a dataset, a pipeline or a chain has put into the
    group can become tasks again. After ``seconds`` it returns, and upkeep does the rest. Undoing a
    group again changes nothing. Raises NotFoundError, and ConflictError if infinite seeding is
    creating tasks in the group.
    """
    with store.write() as session:
        _begin(session, group_id, by=by, flows_again=flows_again)
    _remove_all(store, group_id, at=at, seconds=seconds)
    with store.read() as session:
        return _report(session, group_id)


def rehearse_undo(store: Store, group_id: int) -> UndoReport:
    """Return what an undo of the group would remove and keep now; raise NotFoundError."""
    with store.read() as session:
        report = _report(session, group_id)
        removed = undo.count_untouched(session, _undo_of(report))
        return report._replace(removed=removed, kept=report.kept - removed, dry_run=True)


def continue_undos(store: Store, *, at: datetime) -> int:
    """Continue the undos that were interrupted; return how many groups were undone.

    It works on a group for some seconds, so that other upkeep goes on; the next call continues.
    """
    with store.read() as session:
        group_ids = undo.list_unfinished(session)
    return sum(
        _remove_all(store, group_id, at=at, seconds=_UPKEEP_SECONDS) for group_id in group_ids
    )


def _begin(session: Session, group_id: int, *, by: str, flows_again: bool) -> None:
    group = task_groups.find_by_id(session, group_id)
    if group is None:
        raise NotFoundError(f"there is no group {group_id}")
    infinite_seedings.lock_seeding(session, group.pipeline_id)  # before the group, as it does
    locked = undo.lock_group(session, group_id)
    if locked is None or locked.state is not GroupState.CREATED:
        return
    if undo.is_topped_up(session, group_id):
        raise ConflictError(
            f"infinite seeding creates tasks in group {group_id}; disable it, then undo the group",
            code="group_in_use",
        )
    undo.begin(session, locked, by=by, flows_again=flows_again)


def _remove_all(store: Store, group_id: int, *, at: datetime, seconds: float | None = None) -> bool:
    """Remove tasks until none is left to look at; return whether this call has finished it."""
    give_up_at = time.monotonic() + seconds if seconds is not None else None
    before: int | None = undo.AFTER_ALL_ROWS
    while give_up_at is None or time.monotonic() < give_up_at:
        with store.write() as session:
            locked = undo.lock_group(session, group_id)
            if locked is None or locked.state is not GroupState.UNDOING:
                return False
            if before is not None:
                before = undo.remove_last(session, locked, before=before)
                continue
            _finish(session, store, locked, at)
        with store.write() as session:
            queues.tend(session, locked.pipeline_id)  # else each claim passes the removed tasks
        return True
    return False


def _finish(session: Session, store: Store, locked: Undo, at: datetime) -> None:
    fields = catalogue.get_pipeline(session, locked.pipeline_id).file_fields
    undo.drop_file_references(session, locked.group_id, [field.name for field in fields])
    undo.finish(session, locked, at=at)
    group = task_groups.get_group(session, locked.group_id)
    audit.record_for_pipeline(
        session,
        locked.pipeline_id,
        Action.GROUP_UNDONE,
        f"group {group.id} of pipeline {group.pipeline_id}",
        by=locked.by or store.actor,
        at=at,
        details={"source": group.source, "removed": group.removed_count, "kept": group.task_count},
    )


def _report(session: Session, group_id: int) -> UndoReport:
    group = task_groups.find_by_id(session, group_id)
    if group is None:
        raise NotFoundError(f"there is no group {group_id}")
    report = UndoReport(
        group_id=group.id,
        pipeline_id=group.pipeline_id,
        state=group.state,
        removed=group.removed_count,
        kept=group.task_count,
        kept_tasks=[],
    )
    pipeline = catalogue.get_pipeline(session, group.pipeline_id)
    kept = [
        kept._replace(status=show_status(kept.status, pipeline.status))
        for kept in undo.list_touched(session, _undo_of(report), limit=MAX_KEPT_SHOWN)
    ]
    return report._replace(kept_tasks=kept)


def _undo_of(report: UndoReport) -> Undo:
    return Undo(report.group_id, report.pipeline_id, report.state, None, flows_again=False)
