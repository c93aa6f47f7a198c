"""The documents of tasks. Values of tasks keep their exact text."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NotRequired

import orjson
from pydantic import Field, GetPydanticSchema, WithJsonSchema
from pydantic_core import core_schema
from typing_extensions import TypedDict

from tasks_lib.domain.names import display_name
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.operations.seeding.bulk_create import Blank
from tasks_lib.operations.tasks.read import FinishedPage, Page, Task

if TYPE_CHECKING:  # loads Arrow
    from tasks_lib.operations.seeding.create_tasks import Created

_FILES: Final = frozenset({SeedKind.CSV, SeedKind.ZIP})
"""Kinds whose source is a file; an answer does not tell where the server found it."""

_AnySchema: Final = GetPydanticSchema(lambda _type, _handler: core_schema.any_schema())
Values = Annotated[
    orjson.Fragment, _AnySchema, WithJsonSchema({"type": "object", "additionalProperties": True})
]
"""A JSON object that the store holds as text."""

Ids = Annotated[
    orjson.Fragment,
    _AnySchema,
    WithJsonSchema({"type": "array", "items": {"type": "integer"}}),
]
"""A JSON array of ids that the store has made as text."""


class CreatedTasks(TypedDict):
    """The tasks that were created; in a workflow with a key also what became of known keys."""

    created: int
    already_seeded: NotRequired[
        Annotated[int, Field(description="With a key: tasks that existed with the same values")]
    ]
    changed: NotRequired[
        Annotated[int, Field(description="With a key: tasks that existed with other values")]
    ]
    updated: NotRequired[
        Annotated[int, Field(description="With a key: those of them that took the new values")]
    ]
    group_id: Annotated[
        int | None, Field(description="The group of the new tasks; null if there are none")
    ]
    task_ids: Annotated[
        Ids, Field(description="In the order of the request; with a key also tasks that existed")
    ]


class CreatedBlank(TypedDict):
    """The number of blank tasks that were created."""

    created: int
    group_id: int


class Origin(TypedDict):
    """Where a task came from."""

    kind: Annotated[str, Field(description=f"How the task was created: {', '.join(SeedKind)}")]
    source: str
    row: Annotated[
        int, Field(description="From 1; for a task made from another task, that task's number")
    ]
    version: Annotated[int | None, Field(description="The version of a dataset's row")]
    chain_id: Annotated[int | None, Field(description="The chain that made the task, if one did")]


class TaskDocument(TypedDict):
    """A task; its fields are the values that were seeded and those that were filled in."""

    id: int
    group_id: int
    status: TaskStatus
    fields: Values
    created_at: datetime
    claimed_by: str | None
    claimed_at: datetime | None
    claim_expires_at: datetime | None
    finished_at: datetime | None
    origin: Origin


class TaskMove(TypedDict):
    """A move from one status to another."""

    move: str
    from_status: TaskStatus
    to_status: TaskStatus
    by: str | None
    reason: str | None
    at: datetime


class WholeTask(TaskDocument):
    """A task with the moves that it has made and links that open its files."""

    moves: list[TaskMove]
    links: Annotated[dict[str, str], Field(description="By the file field's name")]


class TaskPage(TypedDict):
    """A page of tasks, oldest first, or in the order of finishing."""

    items: list[TaskDocument]
    total: int
    page: int
    page_size: int
    has_more: bool
    next: Annotated[
        str | None,
        Field(
            description="With `after` and `finished_after`, its value for the next page, "
            "if there is one"
        ),
    ]
    finished_until: Annotated[
        str | None,
        Field(description="With `finished_after`, its value for what is finished later"),
    ]


def _values(**values: Any) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(values))


def _at(minute: int, second: int = 0) -> datetime:
    return datetime(2026, 11, 25, 8, minute, second, tzinfo=UTC)


FINISHED: Final = TaskDocument(
    id=1,
    group_id=1,
    status=TaskStatus.FINISHED,
    fields=_values(review_id="001", body="The lid broke.", stars=2, sentiment="bad"),
    created_at=_at(0),
    claimed_by="ann@example.org",
    claimed_at=_at(5),
    claim_expires_at=None,
    finished_at=_at(7, 30),
    origin=Origin(
        kind=SeedKind.API.value, source="key pk_live_1f2e3d4c", row=1, version=None, chain_id=None
    ),
)
CLAIMED: Final = TaskDocument(
    **FINISHED
    | {
        "status": TaskStatus.IN_PROGRESS,
        "fields": _values(review_id="001", body="The lid broke.", stars=2),
        "claim_expires_at": _at(35),
        "finished_at": None,
    }
)
PENDING: Final = TaskDocument(
    **CLAIMED
    | {
        "status": TaskStatus.PENDING,
        "claimed_by": None,
        "claimed_at": None,
        "claim_expires_at": None,
    }
)
ESCALATED: Final = TaskDocument(**PENDING | {"status": TaskStatus.ESCALATED})
WHOLE: Final = WholeTask(
    **FINISHED,
    moves=[
        TaskMove(
            move="claim",
            from_status=TaskStatus.PENDING,
            to_status=TaskStatus.IN_PROGRESS,
            by="ann@example.org",
            reason=None,
            at=_at(5),
        )
    ],
    links={},
)
PAGE: Final = TaskPage(
    items=[FINISHED], total=1, page=1, page_size=50, has_more=False, next=None, finished_until=None
)
CREATED: Final = CreatedTasks(created=2, group_id=1, task_ids=orjson.Fragment(b"[1,2]"))
CREATED_BLANK: Final = CreatedBlank(created=250, group_id=1)


def created_document(created: "Created") -> CreatedTasks:
    """Return the document of tasks that a request has created."""
    document = CreatedTasks(
        created=created.created,
        group_id=created.group_id,
        task_ids=orjson.Fragment(created.task_ids),
    )
    if created.known is None:
        return document
    return CreatedTasks(
        already_seeded=created.known.already_seeded,
        changed=created.known.changed,
        updated=created.known.updated,
        **document,
    )


def blank_document(blank: Blank) -> CreatedBlank:
    """Return the document of blank tasks that a request has created."""
    return CreatedBlank(created=blank.created, group_id=blank.group_id)


def task_document(task: Task) -> TaskDocument:
    """Return a task as it is listed."""
    origin = task.origin
    return TaskDocument(
        id=task.id,
        group_id=task.group_id,
        status=task.status,
        fields=orjson.Fragment(task.fields),
        created_at=task.created_at,
        claimed_by=task.claimed_by,
        claimed_at=task.claimed_at,
        claim_expires_at=task.claim_expires_at,
        finished_at=task.finished_at,
        origin=Origin(
            kind=origin.kind,
            source=display_name(origin.source) if origin.kind in _FILES else origin.source,
            row=origin.row,
            version=origin.version,
            chain_id=origin.chain_id,
        ),
    )


def whole_task_document(task: Task, links: dict[str, str]) -> WholeTask:
    """Return a task with its moves and links."""
    moves = [
        TaskMove(
            move=move.move,
            from_status=TaskStatus(move.from_status),
            to_status=TaskStatus(move.to_status),
            by=move.by,
            reason=move.reason,
            at=move.at,
        )
        for move in task.moves
    ]
    return WholeTask(**task_document(task), moves=moves, links=links)


def page_document(listed: Page, *, page: int, page_size: int) -> TaskPage:
    """Return a page, from 1, of a workflow's tasks."""
    return TaskPage(
        items=[task_document(task) for task in listed.items],
        total=listed.total,
        page=page,
        page_size=page_size,
        has_more=page * page_size < listed.total,
        next=None,
        finished_until=None,
    )


def following_document(listed: Page, *, limit: int) -> TaskPage:
    """Return the tasks after a cursor."""
    return TaskPage(
        items=[task_document(task) for task in listed.items],
        total=listed.total,
        page=1,
        page_size=limit,
        has_more=listed.next is not None,
        next=str(listed.next) if listed.next is not None else None,
        finished_until=None,
    )


def finished_document(found: FinishedPage, *, limit: int) -> TaskPage:
    """Return the tasks that were finished after a cursor."""
    until = str(found.until)
    return TaskPage(
        items=[task_document(task) for task in found.items],
        total=found.total,
        page=1,
        page_size=limit,
        has_more=found.has_more,
        next=until if found.has_more else None,
        finished_until=until,
    )
