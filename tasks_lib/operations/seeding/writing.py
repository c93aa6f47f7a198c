"""Write the tasks of a group and count them; every way of seeding with values ends here."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import display_name, shortened
from tasks_lib.domain.rows.keys import OnChange, OnMissing, same_values
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.rows.task_keys import key_reader
from tasks_lib.operations.seeding.counting import count_created
from tasks_lib.store.groups.task_groups import EnsuredGroup
from tasks_lib.store.keys.keyed_tasks import KeyedInsert, KeyedTasks
from tasks_lib.store.keys.missing_rows import find_missing, return_missing, withdraw_missing
from tasks_lib.store.keys.updates import TaskUpdates
from tasks_lib.store.tasks.insert import NewTasks, insert_tasks

_NEW_SOURCE: Final = Problem(
    "new_full_source",
    "no earlier group of the pipeline is from this source, so no task was missing from it; if only "
    "its name is new, give the seeding the name of the earlier ones",
)


class Written(NamedTuple):
    """How many tasks were created, and how many rows have the key of a task that existed.

    Of the latter ``already_seeded`` have the values of their task, and ``changed`` other values.
    ``updated`` of their tasks took the new values; ``problems`` are those of rows whose tasks did
    not, because somebody has touched them. ``withdrawn`` tasks have no row in a full source any
    more, and ``returned`` ones have one again.
    """

    created: int
    already_seeded: int = 0
    changed: int = 0
    updated: int = 0
    withdrawn: int = 0
    returned: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def has_changed(self) -> bool:
        """Whether any task was created or changed."""
        return bool(self.created or self.updated or self.withdrawn or self.returned)


class FullSource(NamedTuple):
    """A source that has all of its rows: tasks of it without a row are missing.

    Unless it ``allows_shrink``, it must not lack the rows of more than half of its tasks. If it is
    not ``is_complete`` after all, because rows were rejected, no task is missing: one of those rows
    may be its own.
    """

    name: str
    allows_shrink: bool
    is_complete: Callable[[], bool]


def write_tasks(
    session: Session,
    pipeline: Pipeline,
    group: EnsuredGroup,
    batches: Iterable[NewTasks],
    *,
    at: datetime,
    full: FullSource | None = None,
    is_short: bool = False,
) -> Written:
    """Insert and count the tasks of a new group in a locked pipeline.

    In a pipeline with a key, a row whose key a task has creates no task. DuplicateKeysError is
    raised for two rows with the same key, except in a short transaction: ``is_short`` lets others
    that insert keys wait from the first batch on. A completed pipeline becomes active again. The
    caller completes the group, unless it was created with its number of tasks.
    """
    if pipeline.key:
        updates = None
        if pipeline.on_change is OnChange.UPDATE:
            updates = TaskUpdates(session, pipeline_id=pipeline.id, group_id=group.group_id, at=at)
        insert = KeyedInsert(
            session,
            pipeline_id=pipeline.id,
            group_id=group.group_id,
            status=TaskStatus.PENDING,
            stream_id=group.stream_id,
            same_values=partial(same_values, pipeline.dataset_fields),
            updates=updates,
            takes_lock=is_short,
            allows_repeats=is_short,
        )
        read_keys = key_reader(pipeline.dataset_fields, pipeline.key)
        insert.add_all(
            KeyedTasks(batch.rows, batch.predefined, read_keys(batch.predefined), batch.origins)
            for batch in batches
        )
        withdrawn, notes = _withdraw_missing(session, pipeline, group, insert, full, at)
        written = Written(
            insert.created,
            insert.already_seeded,
            insert.changed,
            updates.updated if updates is not None else 0,
            withdrawn,
            _return_missing(session, pipeline, insert, at),
            (*notes, *map(explain_touched, updates.touched if updates is not None else ())),
        )
    else:
        created = insert_tasks(
            session,
            batches,
            pipeline_id=pipeline.id,
            group_id=group.group_id,
            status=TaskStatus.PENDING,
            stream_id=group.stream_id,
        )
        written = Written(created)
    count_created(session, pipeline, group, written.created)
    return written


def _withdraw_missing(
    session: Session,
    pipeline: Pipeline,
    group: EnsuredGroup,
    insert: KeyedInsert,
    full: FullSource | None,
    at: datetime,
) -> tuple[int, tuple[Problem, ...]]:
    """Withdraw untouched tasks whose rows a full source lacks; return their number, and notes.

    Raises SourceProblemError if there are too many of them.
    """
    if full is None or pipeline.on_missing is OnMissing.KEEP or not full.is_complete():
        return 0, ()
    found = find_missing(session, pipeline.id, group.group_id, insert.seen.contain)
    if 2 * found.missing > found.open and not full.allows_shrink:
        message = (
            f"the source lacks the rows of {found.missing:,} of its {found.open:,} open tasks, "
            "more than half, so nothing was changed; allow_shrink withdraws them"
        )
        raise SourceProblemError(Problem("too_many_missing", message))
    reason = f"its row is missing from {shortened(display_name(full.name), 80)}"
    withdrawn = withdraw_missing(session, pipeline.id, pipeline.status, reason=reason, at=at)
    has_rows = insert.created or insert.already_seeded or insert.changed
    return withdrawn, (_NEW_SOURCE,) if found.is_new_source and has_rows else ()


def _return_missing(session: Session, pipeline: Pipeline, insert: KeyedInsert, at: datetime) -> int:
    """Give back the tasks whose rows were missing earlier; return their number."""
    task_ids = insert.withdrawn_ids
    if not len(task_ids):
        return 0
    return return_missing(session, pipeline.id, task_ids, pipeline.status, at=at)


def explain_touched(row: int) -> Problem:
    """Return the problem of a changed row whose task was kept."""
    message = "has other values than its task, which somebody has claimed; the task was kept"
    return Problem("task_touched", message, row)
