"""Count the tasks of a group; apart from what writes them, because a sensor needs no Arrow."""

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.store import catalogue
from tasks_lib.store.groups.task_groups import EnsuredGroup
from tasks_lib.store.tasks.counts import add_counts


def count_created(session: Session, pipeline: Pipeline, group: EnsuredGroup, created: int) -> None:
    """Count new tasks of a pipeline's group, and reopen the pipeline if it was completed."""
    add_counts(
        session,
        pipeline.id,
        {TaskStatus.PENDING: created},
        group_id=group.group_id,
        is_new_group=group.is_new,
    )
    if created and pipeline.status is PipelineStatus.COMPLETED:
        catalogue.reopen(session, pipeline.id)
