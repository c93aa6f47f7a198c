"""Look at pipelines and their tasks as the External API shows them, within one pipeline."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import NotFoundError
from tasks_lib.intake.template import csv_template
from tasks_lib.intake.transports import local_path
from tasks_lib.operations import queries
from tasks_lib.operations.queries import Task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue, tasks
from tasks_lib.store.counts import counts_of
from tasks_lib.store.engine import Store


class Page(NamedTuple):
    """Some tasks, and how many there are in all."""

    items: list[Task]
    total: int


class Workflow(NamedTuple):
    """A pipeline, and how many of its tasks have each status."""

    pipeline: Pipeline
    counts: Mapping[TaskStatus, int]


def find_workflow(store: Store, pipeline_id: int) -> Workflow:
    """Return a pipeline with its counts, as they are at one moment; raise NotFoundError."""
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, str(pipeline_id))
        return Workflow(pipeline, counts_of(session, pipeline_id).by_status)


def is_of(store: Store, pipeline_id: int, organization_id: int) -> bool:
    """Tell whether there is such a pipeline in the organization."""
    with store.read() as session:
        try:
            found = catalogue.find_pipeline(session, str(pipeline_id))
        except NotFoundError:
            return False
        return found.organization_id == organization_id


def template_of(store: Store, pipeline_id: int) -> str:
    """Return the header that a CSV needs to seed a pipeline, as one line of CSV."""
    with store.read() as session:
        pipeline = catalogue.find_pipeline(session, str(pipeline_id))
    return csv_template(field.name for field in pipeline.dataset_fields)


def list_page(
    store: Store,
    pipeline_id: int,
    *,
    page: int,
    page_size: int,
    status: TaskStatus | None = None,
    group_id: int | None = None,
) -> Page:
    """Return a page, from 1, of the pipeline's tasks, oldest first."""
    with store.read() as session:
        if group_id is not None:
            total = tasks.count_in_group(session, pipeline_id, group_id, status)
        else:
            counts = counts_of(session, pipeline_id)
            total = counts.total if status is None else counts.by_status[status]
        found = tasks.page_of_tasks(
            session,
            pipeline_id,
            group_id=group_id,
            status=status,
            offset=(page - 1) * page_size,
            limit=page_size,
        )
        return Page([queries.as_task(task) for task in found], total)


def find_task(store: Store, pipeline_id: int, task_id: int | None) -> Task:
    """Return a task of the pipeline with its moves; raise NotFoundError for any other one."""
    return queries.find_task(store, check_task(store, pipeline_id, task_id))


def check_task(store: Store, pipeline_id: int, task_id: int | None) -> int:
    """Return the task's number if it is one of the pipeline's; raise NotFoundError if not."""
    with store.read() as session:
        home = tasks.pipeline_of(session, task_id) if task_id is not None else None
    if task_id is None or home != pipeline_id:
        raise NotFoundError("there is no such task in the workflow")
    return task_id


class TaskFile(NamedTuple):
    """A file of a task: where it lies in a folder, or the link that opens it elsewhere."""

    name: str
    content_type: str
    path: Path | None
    link: str


def find_file(workspace: Workspace, pipeline_id: int, task_id: int | None, field: str) -> TaskFile:
    """Return the file that a task of the pipeline has in a field; raise NotFoundError."""
    task = find_task(workspace.store, pipeline_id, task_id)
    link = queries.links_to_files(workspace, task).get(field)
    if link is None:
        raise NotFoundError("there is no such file in the task")
    value = orjson.loads(task.fields)[field]
    path = local_path(link)
    if path is not None and not path.is_file():
        raise NotFoundError("the file is no longer there")
    return TaskFile(value["name"], value["content_type"], path, link)
