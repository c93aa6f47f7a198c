"""The name and the labels that a request gives the group of its tasks."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import WithJsonSchema

from tasks_lib.domain.fields import MAX_NAME_LENGTH
from tasks_lib.domain.names import visible
from tasks_lib.domain.naming import MAX_LABELS, Naming, check_naming
from tasks_lib.domain.rows.json_rows import kind_of
from tasks_lib.errors import MalformedBodyError

NameQuery = Annotated[
    str,
    Query(description="A name for the group of the tasks"),
    WithJsonSchema({"type": "string", "maxLength": MAX_NAME_LENGTH}),
]
LabelQuery = Annotated[
    list[str],
    Query(description="A label of the group as `key=value`; repeat for several"),
    WithJsonSchema(
        {
            "type": "array",
            "maxItems": MAX_LABELS,
            "items": {"type": "string", "examples": ["batch=night"]},
        }
    ),
]


def naming_of(given: dict[str, Any]) -> Naming:
    """Return the members ``name`` and ``labels`` of a body; raise UsageError."""
    labels = given["labels"] or {}
    for key, value in labels.items():
        if type(value) is not str:
            kind = kind_of(value)
            raise MalformedBodyError(f"the label {visible(key)} must be a string; it is {kind}")
    return check_naming(given["name"] or "", labels)
