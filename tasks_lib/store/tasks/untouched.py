"""Untouched tasks: nobody ever claimed them, and no task was made from them.

Only these are undone, withdrawn or updated in bulk: nobody's work is lost.
"""

from functools import cache
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.store.tables.groups import TaskGroupRow

_NEVER_CLAIMED: Final = f"""
    tasks.status NOT IN ('{TaskStatus.IN_PROGRESS}', '{TaskStatus.FINISHED}')
    AND (SELECT 1 FROM task_moves WHERE task_moves.task_id = tasks.id AND move = 'claim' LIMIT 1)
        IS NULL
    """  # noqa: S608 - our own names
"""The subquery is one that no join can replace: a join may read the moves of all tasks.

Tasks of other pipelines are made from finished tasks only, copies by infinite seeding from any.
"""

NEVER_COPIED: Final = f"""
    AND tasks.id NOT IN (
        SELECT copies.origin_id FROM tasks copies JOIN task_groups g ON g.id = copies.group_id
        WHERE g.pipeline_id = :pipeline_id AND g.kind = '{SeedKind.INFINITE}'
            AND copies.origin_id IS NOT NULL
    )
    """  # noqa: S608


@cache
def untouched_condition(*, has_copies: bool) -> str:
    """Return the SQL condition that a row of ``tasks`` is an untouched task.

    With ``has_copies`` it has the parameter ``pipeline_id``. Lock the task before you evaluate it,
    in a statement of its own: only then does it see the claims that the lock has waited for.
    """
    return f"({_NEVER_CLAIMED}{NEVER_COPIED if has_copies else ''})"


def has_copies(session: Session, pipeline_id: int) -> bool:
    """Return True if infinite seeding has ever created tasks in the pipeline."""
    by_infinite = exists().where(
        TaskGroupRow.pipeline_id == pipeline_id, TaskGroupRow.kind == SeedKind.INFINITE.value
    )
    return bool(session.scalar(select(by_infinite)))
