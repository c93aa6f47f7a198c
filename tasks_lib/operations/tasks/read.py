"""Read tasks and their files."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.limits import check_list_limit
from tasks_lib.domain.rows.json_rows import json_text, parse_row
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks import moves, queries
from tasks_lib.store.tasks.counts import get_counts
from tasks_lib.store.tasks.moves import TaskMove
from tasks_lib.store.tasks.queries import StoredTask
from tasks_lib.transport.filesystems import local_path

MAX_PAGE_BYTES: Final = 16 * 2**20
"""The most bytes of values in a page."""


class Origin(NamedTuple):
    """The origin of a task: the kind of seeding, its source, and the 1-based row in it.

    For a task made from another task, or a copy of one, ``row`` is that task's id. For a dataset's
    row, ``version`` is the import that added it. ``chain_id`` is the chain that created the task,
    if one did.
    """

    kind: SeedKind
    source: str
    row: int
    version: int | None = None
    chain_id: int | None = None


_OF_A_FILE: Final = '"sha256":"'
"""Part of the text of each task that has a file, and of few others."""


class Task(NamedTuple):
    """A task. ``fields`` is the JSON text of its values, seeded and filled in, unchanged.

    ``claimed_by`` stays when the task is finished. Only ``find_task`` returns ``moves``.
    """

    id: int
    pipeline_id: int
    group_id: int
    status: TaskStatus
    fields: str
    created_at: datetime
    claimed_by: str | None
    claimed_at: datetime | None
    claim_expires_at: datetime | None
    finished_at: datetime | None
    origin: Origin
    moves: tuple[TaskMove, ...] = ()


class TaskNotFoundError(NotFoundError):
    """The pipeline has no such task; another pipeline may have it."""


def list_tasks(
    store: Store,
    reference: str,
    *,
    group_id: int | None = None,
    status: TaskStatus | None = None,
    limit: int = 100,
) -> list[Task]:
    """Return the pipeline's oldest tasks, at most ``limit``."""
    page = list_tasks_after(store, reference, 0, group_id=group_id, status=status, limit=limit)
    return page.items


class Page(NamedTuple):
    """A page of tasks, and how many tasks there are in all, on this page and others.

    ``next`` is the id after which the next page begins; None if no task is left, or if the pages
    have numbers.
    """

    items: list[Task]
    total: int
    next: int | None = None


def list_tasks_after(
    store: Store,
    reference: str,
    after: int,
    *,
    group_id: int | None = None,
    status: TaskStatus | None = None,
    limit: int = 100,
) -> Page:
    """Return the pipeline's oldest tasks after the task with the id ``after``, at most ``limit``.

    Raises UsageError unless the limit is at least 1.
    """
    check_list_limit(limit)
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, reference)
        return _read_after(session, pipeline.id, after, group_id, status, limit)


def list_page_after(
    store: Store,
    pipeline_id: int,
    *,
    after: int,
    limit: int,
    status: TaskStatus | None = None,
    group_id: int | None = None,
) -> Page:
    """Return the pipeline's oldest tasks after one, as ``list_tasks_after`` does, for a response.

    Raises UsageError if their values are too large for one page.
    """
    with store.read() as session:
        page = _read_after(session, pipeline_id, after, group_id, status, limit)
    return page._replace(items=list(_bounded(page.items)))


def _read_after(
    session: Session,
    pipeline_id: int,
    after: int,
    group_id: int | None,
    status: TaskStatus | None,
    limit: int,
) -> Page:
    rows = list(
        queries.list_page(
            session, pipeline_id, group_id=group_id, status=status, after=after, limit=limit + 1
        )
    )
    items = [as_task(row) for row in rows[:limit]]
    total = _count(session, pipeline_id, group_id, status)
    return Page(items, total, items[-1].id if len(rows) > limit else None)


def _count(
    session: Session, pipeline_id: int, group_id: int | None, status: TaskStatus | None
) -> int:
    if group_id is not None:
        return queries.count_in_group(session, pipeline_id, group_id, status)
    counts = get_counts(session, pipeline_id)
    return counts.total if status is None else counts.by_status[status]


def find_task(store: Store, task_id: int) -> Task:
    """Return one task; raise NotFoundError."""
    with store.read() as session:
        task = find_task_in(session, task_id)
        return task._replace(moves=tuple(moves.list_moves(session, task_id)))


def find_task_in(session: Session, task_id: int) -> Task:
    """Return one task, without its moves, as the transaction sees it; raise NotFoundError."""
    return as_task(find_stored_task(session, task_id))


def find_stored_task(session: Session, task_id: int) -> StoredTask:
    """Return one task as it is stored; raise NotFoundError."""
    task = queries.find_task(session, task_id)
    if task is None:
        raise NotFoundError(f"there is no task {task_id}")
    return task


def link_files(workspace: Workspace, task: Task) -> dict[str, str]:
    """Return a URL for each of the task's files, by field.

    On S3 it is presigned and expires as the settings say; in a folder it is the URL of the file.
    Raises StorageUnavailableError if no URL can be signed.
    """
    with workspace.store.read() as session:
        fields = catalogue.get_pipeline(session, task.pipeline_id).file_fields
    values = json.loads(task.fields)
    return {
        field.name: workspace.storage.link(
            value["uri"],
            name=value["name"],
            content_type=value["content_type"],
            seconds=workspace.link_seconds,
        )
        for field in fields
        if (value := values.get(field.name)) is not None
    }


def readdress_files(
    store: Store, some: Sequence[Task], address_of: Callable[[Task, str], str]
) -> list[Task]:
    """Return tasks of one pipeline, with the addresses of their files replaced.

    ``address_of`` returns the address of the file in a field.
    """
    if not any(_OF_A_FILE in task.fields for task in some):
        return list(some)
    with store.read() as session:
        fields = catalogue.get_pipeline(session, some[0].pipeline_id).file_fields
    names = [field.name for field in fields]
    return [_readdress(task, names, address_of) for task in some]


def _readdress(task: Task, names: Sequence[str], address_of: Callable[[Task, str], str]) -> Task:
    values = parse_row(task.fields)
    files = {name: values[name] for name in names if values.get(name) is not None}
    if not files:
        return task
    addressed = {name: file | {"uri": address_of(task, name)} for name, file in files.items()}
    return task._replace(fields=json_text(values | addressed))


def as_task(task: StoredTask) -> Task:
    """Return a stored task in the form that is shown to people and programs, without its moves."""
    return Task(
        id=task.id,
        pipeline_id=task.pipeline_id,
        group_id=task.group_id,
        status=task.status,
        fields=_join(task.predefined, task.filled_in),
        created_at=task.created_at,
        claimed_by=task.claimed_by,
        claimed_at=task.claimed_at,
        claim_expires_at=task.claim_expires_at,
        finished_at=task.finished_at,
        origin=Origin(task.kind, task.source, _origin_row(task), task.version, task.chain_id),
    )


def _origin_row(task: StoredTask) -> int:
    is_copy = task.kind is SeedKind.INFINITE and task.origin_id is not None
    return task.origin_id if is_copy and task.origin_id is not None else task.row


def _join(predefined: str, filled_in: str | None) -> str:
    """Join two JSON objects that share no member, without changing their text."""
    if filled_in is None or filled_in == "{}":
        return predefined
    return filled_in if predefined == "{}" else f"{predefined[:-1]},{filled_in[1:]}"


def list_page(
    store: Store,
    pipeline_id: int,
    *,
    page: int,
    page_size: int,
    status: TaskStatus | None = None,
    group_id: int | None = None,
) -> Page:
    """Return a page of the pipeline's tasks, oldest first; the first page is 1."""
    with store.read() as session:
        total = _count(session, pipeline_id, group_id, status)
        rows = queries.list_page(
            session,
            pipeline_id,
            group_id=group_id,
            status=status,
            offset=(page - 1) * page_size,
            limit=page_size,
        )
        with closing(rows):
            return Page(list(_bounded(map(as_task, rows))), total)


def _bounded(listed: Iterable[Task]) -> Iterator[Task]:
    """Yield tasks; raise UsageError once their values are too large for one page."""
    size = 0
    for task in listed:
        size += len(task.fields)
        if size > MAX_PAGE_BYTES:
            message = f"the page has more than {MAX_PAGE_BYTES:,} bytes; ask for a smaller one"
            raise UsageError(message, code="page_too_large")
        yield task


class FinishedPage(NamedTuple):
    """Finished tasks in the order of finishing, complete up to and with ``until``.

    ``total`` is the number of all finished tasks of the pipeline.
    """

    items: list[Task]
    until: int
    has_more: bool
    total: int


def list_finished(store: Store, pipeline_id: int, *, after: int, limit: int) -> FinishedPage:
    """Return the pipeline's tasks that were finished after a place in the order of finishing.

    Passing ``until`` of one page as ``after`` of the next returns each task exactly once, however
    many are finished meanwhile. A page ends early if its values are large.
    """
    with store.read() as session:
        last = queries.last_finish_number(session, pipeline_id)
    items: list[Task] = []
    until, size = after, 0
    has_more = False
    with (
        store.read() as session,
        closing(
            queries.stream_finished(session, pipeline_id, after=after, up_to=last, limit=limit + 1)
        ) as finished,
    ):
        for number, task in finished:
            has_more = len(items) == limit or size > MAX_PAGE_BYTES
            if has_more:
                break
            items.append(as_task(task))
            size += len(items[-1].fields)
            until = number
        total = get_counts(session, pipeline_id).by_status[TaskStatus.FINISHED]
    return FinishedPage(items, until, has_more, total)


def find_task_in_pipeline(store: Store, pipeline_id: int, task_id: int | None) -> Task:
    """Return a task with its moves; raise NotFoundError if it is not in the pipeline."""
    return find_task(store, check_task_in_pipeline(store, pipeline_id, task_id))


def check_task_in_pipeline(store: Store, pipeline_id: int, task_id: int | None) -> int:
    """Return the task's id; raise NotFoundError if it is None or not in the pipeline."""
    with store.read() as session:
        home_id = queries.find_pipeline_id(session, task_id) if task_id is not None else None
    if task_id is None or home_id != pipeline_id:
        raise TaskNotFoundError("there is no such task in the pipeline")
    return task_id


class TaskFile(NamedTuple):
    """A file of a task: its path if the storage is a folder, and the URL that opens it."""

    name: str
    content_type: str
    path: Path | None
    link: str


def find_file(workspace: Workspace, pipeline_id: int, task_id: int | None, field: str) -> TaskFile:
    """Return the file in a field of a task of the pipeline; raise NotFoundError."""
    task = find_task_in_pipeline(workspace.store, pipeline_id, task_id)
    link = link_files(workspace, task).get(field)
    if link is None:
        raise NotFoundError("there is no such file in the task")
    value = orjson.loads(task.fields)[field]
    path = local_path(link)
    if path is not None and not path.is_file():
        raise NotFoundError("the file is no longer there")
    return TaskFile(value["name"], value["content_type"], path, link)
