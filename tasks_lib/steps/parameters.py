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
