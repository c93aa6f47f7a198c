"""Results: finished tasks as rows, with the same columns and types wherever they are read."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import Field, FieldType


class ResultColumn(NamedTuple):
    """A column of results; ``field`` is the field that it holds, or None for one of our own.

    ``own`` is the name in its own pipeline's results. ``source`` is the place among the source
    pipelines of the one whose task has the value, or None for the task itself.
    """

    name: str
    type: FieldType
    field: Field | None = None
    own: str = ""
    source: int | None = None


class TableName(NamedTuple):
    """A table of a database that results are written to; its schema unless it is the default."""

    name: str
    schema: str | None = None

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


OWN_COLUMNS: Final[dict[str, tuple[FieldType, str]]] = {
    "task_id": (FieldType.INTEGER, "The task."),
    "group_id": (FieldType.INTEGER, "The group that the task was created in."),
    "group_name": (FieldType.TEXT, "The name of the group, if it has one."),
    "key": (FieldType.TEXT, "The values that identify the task, if the pipeline has a key."),
    "contributor": (FieldType.TEXT, "Who finished the task."),
    "created_at": (FieldType.DATETIME, "When the task was created."),
    "claimed_at": (FieldType.DATETIME, "When the contributor claimed it."),
    "finished_at": (FieldType.DATETIME, "When it was finished."),
    "duration_seconds": (FieldType.NUMBER, "The time from the claim to the end."),
    "source_kind": (FieldType.TEXT, "How the task was created, such as csv, dataset or chain."),
    "source": (FieldType.TEXT, "The name of the source."),
    "source_row": (FieldType.INTEGER, "The row in the source."),
    "origin_id": (
        FieldType.INTEGER,
        "The row of the dataset, or the task, from which the task was created.",
    ),
    "chain_id": (FieldType.INTEGER, "The chain that created the task."),
}
"""Our own columns with their types and meanings; the fields are between ``key`` and the others."""

_BEFORE_FIELDS: Final = ("task_id", "group_id", "group_name", "key")
_PREFIX: Final = "field_"
_SOURCE_PREFIX: Final = "source_"


def result_columns(fields: Sequence[Field]) -> tuple[ResultColumn, ...]:
    """Return the columns of a pipeline's results.

    A field with the name of one of our own columns is called ``field_`` and its name.
    """
    names = {field.name for field in fields}
    own = [ResultColumn(name, kind, own=name) for name, (kind, _) in OWN_COLUMNS.items()]
    before = [column for column in own if column.name in _BEFORE_FIELDS]
    after = [column for column in own if column.name not in _BEFORE_FIELDS]
    named = [(_name_field(field.name, names), field) for field in fields]
    of_fields = [ResultColumn(name, field.type, field, name) for name, field in named]
    return (*before, *of_fields, *after)


def joined_columns(pipeline: Pipeline, sources: Sequence[Pipeline]) -> tuple[ResultColumn, ...]:
    """Return the columns of a pipeline's results, and those of its source pipelines.

    The latter begin with the name of the source pipeline and a dot; that of another project with
    its project, a slash and its name. A name that is taken has ``source_`` before it.
    """
    columns = list(result_columns(pipeline.fields))
    names = {column.name for column in columns}
    for place, source in enumerate(sources):
        is_near = source.project_id == pipeline.project_id
        prefix = source.name if is_near else f"{source.project}/{source.name}"
        for column in result_columns(source.fields):
            name = f"{prefix}.{column.name}"
            while name in names:
                name = _SOURCE_PREFIX + name
            names.add(name)
            columns.append(column._replace(name=name, source=place))
    return tuple(columns)


def columns_of_sources(columns: Sequence[ResultColumn]) -> list[list[ResultColumn]]:
    """Return the columns of each source pipeline, in the order of the pipelines."""
    of_sources = [column for column in columns if column.source is not None]
    return [list(group) for _, group in groupby(of_sources, key=lambda column: column.source)]


def _name_field(name: str, names: set[str]) -> str:
    if name not in OWN_COLUMNS:
        return name
    name = _PREFIX + name
    while name in names:
        name = _PREFIX + name
    return name
