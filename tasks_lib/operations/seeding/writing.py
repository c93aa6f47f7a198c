"""Write the tasks of a group and count them; every way of seeding with values ends here."""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.keys import same_values
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.intake.rows.task_keys import key_reader
from tasks_lib.operations.seeding.counting import count_created
from tasks_lib.store.keyed_tasks import KeyedInsert, KeyedTasks
from tasks_lib.store.task_groups import EnsuredGroup
from tasks_lib.store.tasks import NewTasks, insert_tasks


class Written(NamedTuple):
    """How many tasks were created, and how many rows have the key of a task that existed.

    Of the latter ``already_seeded`` have the values of their task, and ``changed`` other values.
    """

    created: int
    already_seeded: int = 0
    changed: int = 0


def write_tasks(
    session: Session,
    pipeline: Pipeline,
    group: EnsuredGroup,
    batches: Iterable[NewTasks],
    *,
    is_short: bool = False,
) -> Written:
    """Insert and count the tasks of a new group in a locked pipeline.

    In a pipeline with a key, a row whose key a task has creates no task. DuplicateKeysError is
    raised for two rows with the same key, except in a short transaction: ``is_short`` lets others
    that insert keys wait from the first batch on. A completed pipeline becomes active again. The
    caller completes the group, unless it was created with its number of tasks.
    """
    if pipeline.key:
        insert = KeyedInsert(
            session,
            pipeline_id=pipeline.id,
            group_id=group.group_id,
            status=TaskStatus.PENDING,
            stream_id=group.stream_id,
            same_values=partial(same_values, pipeline.dataset_fields),
            takes_lock=is_short,
            allows_repeats=is_short,
        )
        read_keys = key_reader(pipeline.dataset_fields, pipeline.key)
        for batch in batches:
            keys = read_keys(batch.predefined)
            insert.add(KeyedTasks(batch.rows, batch.predefined, keys, batch.origins))
        insert.finish()
        written = Written(insert.created, insert.already_seeded, insert.changed)
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
