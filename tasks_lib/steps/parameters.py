"""The parameters that seeding flows share: their types, and how the run form describes them.

Prefect's form takes a description from the JSON schema that stands here; one in a pydantic
``Field`` would be lost on the way.
"""

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from tasks_lib.domain.statuses import OnError

PipelineName = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "description": "The pipeline to seed: its number, or organization/project/pipeline.",
            "examples": ["acme/reviews/label-reviews"],
        }
    ),
]
SourceUri = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "A path that the worker can read, s3://bucket/key, https://... or any "
            "fsspec URL; gzipped if it ends in .gz.",
            "examples": ["s3://inbox/reviews.csv"],
        }
    ),
]
ZipUri = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "A ZIP: a path that the worker can read, s3://bucket/key, https://... "
            "or any fsspec URL. It is read where it lies.",
            "examples": ["s3://inbox/photos.zip"],
        }
    ),
]
Once = Annotated[
    bool,
    WithJsonSchema(
        {
            "type": "boolean",
            "description": "Make what is missing now and end, for a schedule or an automation of "
            "your own.",
        }
    ),
]
SensorMinutes = Annotated[
    int,
    WithJsonSchema(
        {
            "type": "integer",
            "minimum": 1,
            "description": "How long to watch before another run takes the place.",
        }
    ),
]
TakesOver = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "The flow run whose place this one takes; runs start each other with "
            "it.",
        }
    ),
]
BulkCount = Annotated[
    int,
    WithJsonSchema(
        {
            "type": "integer",
            "minimum": 1,
            "description": "How many blank tasks to create, at most SEEDING_MAX_BULK_COUNT.",
        }
    ),
]
OnceKey = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": 255,
            "description": "Tasks are created once for a key, however often it comes. Empty: once "
            "for the run.",
        }
    ),
]
CsvName = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "The path of the CSV in the ZIP. Empty: the only one at its root, or "
            "else the only one.",
        }
    ),
]
DatasetName = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "A dataset of the pipeline's organization.",
            "examples": ["reviews"],
        }
    ),
]
SourcePipelineName = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "description": "The pipeline whose finished tasks are seeded: its number, or "
            "organization/project/pipeline, of the same organization.",
        }
    ),
]
FieldSources = Annotated[
    dict[str, str],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Field to column, or to column:jsonpath. What is not named here is "
            "matched by its name.",
            "examples": [{"body": "payload:$.text"}],
        }
    ),
]
SkippedFields = Annotated[
    list[str],
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string"},
            "description": "Fields to leave empty on purpose.",
        }
    ),
]
SavedMappingName = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "A saved mapping of the pipeline: NAME, or NAME@VERSION. What mapping "
            "and skip say counts more.",
            "examples": ["reviews", "reviews@2"],
        }
    ),
]
NewMappingName = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "Save the mapping of this run under this name, as its next version.",
        }
    ),
]
AcceptDrift = Annotated[
    bool,
    WithJsonSchema(
        {
            "type": "boolean",
            "description": "Go on with a saved mapping although the source has other columns now.",
        }
    ),
]
Review = Annotated[
    bool,
    WithJsonSchema(
        {
            "type": "boolean",
            "description": "Pause with a form in which the mapping can be looked at and changed. "
            "Not for unattended runs.",
        }
    ),
]
ReviewMinutes = Annotated[
    int,
    WithJsonSchema(
        {
            "type": "integer",
            "minimum": 1,
            "description": "How long the form waits for an answer; then the run is cancelled.",
        }
    ),
]
ChainId = Annotated[
    int | None,
    WithJsonSchema(
        {
            "type": "integer",
            "description": "The chain to fire first; empty for every chain that is due.",
        }
    ),
]
Reseed = Annotated[
    bool,
    WithJsonSchema({"type": "boolean", "description": "Seed again what was seeded before."}),
]
BadRows = Annotated[
    OnError,
    WithJsonSchema(
        {
            "type": "string",
            "enum": [mode.value for mode in OnError],
            "description": "reject-file: one bad row and nothing is created. skip-rows: the good "
            "rows are created and the bad ones written to a file.",
        }
    ),
]
DryRun = Annotated[
    bool,
    WithJsonSchema({"type": "boolean", "description": "Check everything and create nothing."}),
]
AllowDuplicate = Annotated[
    bool,
    WithJsonSchema(
        {"type": "boolean", "description": "Seed content again that the pipeline already holds."}
    ),
]
Encoding = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "Such as cp1252 or shift_jis. Empty: UTF-8, or what the file's byte "
            "order mark says.",
        }
    ),
]
Delimiter = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "One character between cells, or the word tab.",
            "examples": [";", "tab"],
        }
    ),
]
CleansUp = Annotated[
    bool,
    WithJsonSchema(
        {
            "type": "boolean",
            "title": "Clean up",
            "description": "Also remove stored files that no task has.",
        }
    ),
]
UploadId = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": "The upload of the External API that the run is for. It fills this in "
            "itself; leave it empty.",
        }
    ),
]
