"""The documents of a workflow and of its fields."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, NotRequired, cast

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import Field as PipelineField, FieldType
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus


class Workflow(TypedDict):
    """A workflow: a form and the tasks that people do in it."""

    id: int
    name: str
    project: str
    organization: str
    status: PipelineStatus
    task_counts: Annotated[
        dict[str, int],
        Field(
            description="The number of tasks in each status",
            json_schema_extra={"propertyNames": {"$ref": "#/components/schemas/TaskStatus"}},
        ),
    ]
    task_total: int


@with_config(ConfigDict(extra="allow"))
class FieldSchema(TypedDict):
    """A field, with those of its constraints that are set."""

    name: str
    type: FieldType
    required: bool
    min: NotRequired[str]
    max: NotRequired[str]
    min_length: NotRequired[int]
    max_length: NotRequired[int]
    pattern: NotRequired[str]
    options: NotRequired[list[str]]
    max_bytes: NotRequired[int]
    content_types: NotRequired[list[str]]


class WorkflowSchema(TypedDict):
    """How tasks of the workflow are created, and the fields that this needs."""

    workflow_id: int
    creation_mode: Annotated[
        Literal["fields", "files", "bulk"],
        Field(
            description="fields: POST …/tasks with values. files: a ZIP, by POST …/tasks/upload. "
            "bulk: POST …/tasks/bulk with a count"
        ),
    ]
    key: Annotated[
        list[str],
        Field(
            description="The fields that identify a task; empty without a key. Values of them that "
            "a task has already create no other one"
        ),
    ]
    fields: list[FieldSchema]
    input_fields: Annotated[
        list[FieldSchema], Field(description="The fields that contributors fill in")
    ]


WORKFLOW: Final = Workflow(
    id=1,
    name="label-reviews",
    project="reviews",
    organization="acme",
    status=PipelineStatus.ACTIVE,
    task_counts={status.value: 0 for status in TaskStatus}
    | {"pending": 2, "in_progress": 1, "finished": 7},
    task_total=10,
)
SCHEMA: Final = WorkflowSchema(
    workflow_id=1,
    creation_mode="fields",
    key=["review_id"],
    fields=[
        FieldSchema(name="review_id", type=FieldType.TEXT, required=True),
        FieldSchema(name="stars", type=FieldType.INTEGER, required=False, min="1", max="5"),
    ],
    input_fields=[
        FieldSchema(
            name="sentiment",
            type=FieldType.SINGLE_SELECT,
            required=True,
            options=["good", "bad", "mixed"],
        )
    ],
)


def workflow_document(pipeline: Pipeline, counts: Mapping[TaskStatus, int]) -> Workflow:
    """Return a pipeline with the number of its tasks by status."""
    return Workflow(
        id=pipeline.id,
        name=pipeline.name,
        project=pipeline.project,
        organization=pipeline.organization,
        status=pipeline.status,
        task_counts={status.value: count for status, count in counts.items()},
        task_total=sum(counts.values()),
    )


def schema_document(pipeline: Pipeline) -> WorkflowSchema:
    """Return how tasks of a pipeline are created."""
    return WorkflowSchema(
        workflow_id=pipeline.id,
        creation_mode=_creation_mode(pipeline),
        key=list(pipeline.key),
        fields=[_field_document(field) for field in pipeline.dataset_fields],
        input_fields=[
            _field_document(field)
            for field in pipeline.fields
            if field not in pipeline.dataset_fields
        ],
    )


def _creation_mode(pipeline: Pipeline) -> Literal["fields", "files", "bulk"]:
    if pipeline.file_fields:
        return "files"
    return "fields" if pipeline.dataset_fields else "bulk"


def _field_document(field: PipelineField) -> FieldSchema:
    document = FieldSchema(name=field.name, type=field.type, required=field.required)
    return cast("FieldSchema", document | field.constraints)  # constraints are named as here
