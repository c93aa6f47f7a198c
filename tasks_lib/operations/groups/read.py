"""Read task groups, and the reports of the runs that create them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import GroupState, SeedKind, TaskStatus
from tasks_lib.errors import NotFoundError
from tasks_lib.operations.groups.finish import settle_groups
from tasks_lib.store import catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups
from tasks_lib.store.groups.task_groups import StoredGroup
from tasks_lib.store.tasks.counts import get_group_counts

_GROUPS_AT_ONCE: Final = 1_000
_NO_TASKS: Final[Mapping[TaskStatus, int]] = MappingProxyType(dict.fromkeys(TaskStatus, 0))


class Group(NamedTuple):
    """A task group: how many tasks it has, and how many rows were rejected.

    ``removed`` is the number of tasks that were removed when the group was undone, ``expired`` of
    those that were deleted because their retention was over.
    """

    id: int
    pipeline_id: int
    kind: SeedKind
    source: str
    created_at: datetime
    tasks: int
    rejected: int
    state: GroupState = GroupState.CREATED
    removed: int = 0
    undone_by: str | None = None
    undone_at: datetime | None = None
    finished_at: datetime | None = None
    name: str | None = None
    labels: Mapping[str, str] = MappingProxyType({})
    expired: int = 0


class CountedGroup(NamedTuple):
    """A task group with the number of its tasks by status."""

    group: Group
    counts: Mapping[TaskStatus, int]


class GroupPage(NamedTuple):
    """A page of groups; ``next`` is the id after which the next page begins, if there is one."""

    items: list[CountedGroup]
    next: int | None


def list_groups(store: Store, reference: str) -> list[Group]:
    """Return the pipeline's groups, oldest first."""
    settle_groups(store, at=store.now())
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        return [as_group(row) for row in task_groups.list_groups(session, pipeline.id)]


def count_groups(store: Store, groups: Sequence[Group]) -> list[CountedGroup]:
    """Return groups of one pipeline with the number of their tasks by status."""
    counts: dict[int, Mapping[TaskStatus, int]] = {}
    with store.read() as session:
        for first in range(0, len(groups), _GROUPS_AT_ONCE):
            some = groups[first : first + _GROUPS_AT_ONCE]
            ids = [group.id for group in some]
            counts |= get_group_counts(session, some[0].pipeline_id, ids)
    return [CountedGroup(group, counts.get(group.id, _NO_TASKS)) for group in groups]


def list_counted_groups(store: Store, pipeline_id: int, *, after: int, limit: int) -> GroupPage:
    """Return a page of the pipeline's groups with their counts, oldest first."""
    settle_groups(store, at=store.now())
    with store.read() as session:
        rows = task_groups.list_groups(session, pipeline_id, after=after, limit=limit + 1)
        groups = [as_group(row) for row in rows[:limit]]
        ids = [group.id for group in groups]
        counts = get_group_counts(session, pipeline_id, ids)
        items = [CountedGroup(group, counts.get(group.id, _NO_TASKS)) for group in groups]
    return GroupPage(items, groups[-1].id if len(rows) > limit else None)


def find_group(store: Store, group_id: int) -> CountedGroup:
    """Return a group with the number of its tasks by status; raise NotFoundError."""
    settle_groups(store, at=store.now())
    with store.read() as session:
        row = task_groups.find_by_id(session, group_id)
        if row is None:
            raise NotFoundError(f"there is no group {group_id}")
        counts = get_group_counts(session, row.pipeline_id, [row.id])
        return CountedGroup(as_group(row), counts.get(row.id, _NO_TASKS))


def find_report(store: Store, run_id: str) -> Report | None:
    """Return the report of a run, or None."""
    with store.read() as session:
        return task_groups.find_report(session, run_id)


def as_group(group: StoredGroup) -> Group:
    """Return a stored group in the form that is shown to people and programs."""
    return Group(
        id=group.id,
        pipeline_id=group.pipeline_id,
        kind=group.kind,
        source=group.source,
        created_at=group.created_at,
        tasks=group.task_count,
        rejected=group.rejected_count,
        state=group.state,
        removed=group.removed_count,
        expired=group.expired_count,
        undone_by=group.undone_by,
        undone_at=group.undone_at,
        finished_at=group.finished_at,
        name=group.name,
        labels=group.labels,
    )
