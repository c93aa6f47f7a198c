"""The documents of groups, and of their undo."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from tasks_lib.domain.statuses import GroupState, SeedKind, TaskStatus
from tasks_lib.operations.groups.read import CountedGroup, GroupPage
from tasks_lib.operations.groups.undo import UndoReport


class Group(TypedDict):
    """A group: the tasks that one seeding created."""

    id: int
    workflow_id: int
    kind: SeedKind
    source: str
    created_at: datetime
    state: GroupState
    task_counts: Annotated[
        dict[str, int],
        Field(
            description="The number of tasks in each status",
            json_schema_extra={"propertyNames": {"$ref": "#/components/schemas/TaskStatus"}},
        ),
    ]
    task_total: int
    rejected: Annotated[int, Field(description="Rows that were rejected")]
    removed: Annotated[int, Field(description="Tasks that an undo has removed")]
    expired: Annotated[int, Field(description="Tasks that were deleted after their retention")]
    undone_by: str | None
    undone_at: datetime | None
    finished_at: Annotated[
        datetime | None,
        Field(description="When all tasks were finished or withdrawn; null while one is open"),
    ]
    name: Annotated[str | None, Field(description="The name that the seeding gave it")]
    labels: Annotated[dict[str, str], Field(description="The labels that the seeding gave it")]


class Groups(TypedDict):
    """A page of a workflow's groups."""

    items: list[Group]
    next: Annotated[int | None, Field(description="`after` of the next page; null on the last")]


class KeptTask(TypedDict):
    """A task that an undo keeps, because somebody has worked on it."""

    task_id: int
    status: TaskStatus


class UndoneGroup(TypedDict):
    """How many tasks of a group were removed and kept."""

    group_id: int
    workflow_id: int
    state: GroupState
    removed: int
    kept: int
    kept_tasks: Annotated[list[KeptTask], Field(description="The first 100 that are kept")]
    dry_run: bool


GROUP: Final = Group(
    id=1,
    workflow_id=1,
    kind=SeedKind.CSV,
    source="s3://inbox/reviews.csv",
    created_at=datetime.fromisoformat("2026-01-02T03:04:05Z"),
    state=GroupState.CREATED,
    task_counts={status.value: 0 for status in TaskStatus} | {"pending": 2, "finished": 1},
    task_total=3,
    rejected=0,
    removed=0,
    expired=0,
    undone_by=None,
    undone_at=None,
    finished_at=None,
    name="reviews of January",
    labels={"batch": "night"},
)
GROUPS: Final = Groups(items=[GROUP], next=None)
UNDONE: Final = UndoneGroup(
    group_id=1,
    workflow_id=1,
    state=GroupState.UNDONE,
    removed=2,
    kept=1,
    kept_tasks=[KeptTask(task_id=1, status=TaskStatus.FINISHED)],
    dry_run=False,
)
UNDOING: Final = UndoneGroup(**UNDONE | {"state": GroupState.UNDOING})


def group_document(counted: CountedGroup) -> Group:
    """Return a group with the number of its tasks by status."""
    group = counted.group
    return Group(
        id=group.id,
        workflow_id=group.pipeline_id,
        kind=group.kind,
        source=group.source,
        created_at=group.created_at,
        state=group.state,
        task_counts={status.value: count for status, count in counted.counts.items()},
        task_total=sum(counted.counts.values()),
        rejected=group.rejected,
        removed=group.removed,
        expired=group.expired,
        undone_by=group.undone_by,
        undone_at=group.undone_at,
        finished_at=group.finished_at,
        name=group.name,
        labels=dict(group.labels),
    )


def groups_document(page: GroupPage) -> Groups:
    """Return a page of groups."""
    return Groups(items=[group_document(counted) for counted in page.items], next=page.next)


def undone_document(report: UndoReport) -> UndoneGroup:
    """Return the report of an undo."""
    return UndoneGroup(
        group_id=report.group_id,
        workflow_id=report.pipeline_id,
        state=report.state,
        removed=report.removed,
        kept=report.kept,
        kept_tasks=[
            KeptTask(task_id=kept.task_id, status=kept.status) for kept in report.kept_tasks
        ],
        dry_run=report.dry_run,
    )
