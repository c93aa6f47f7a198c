"""The parameters that the flows share: their types, titles and descriptions in the run form.

Prefect's form shows a description only if it is part of the JSON schema, as here; one in a pydantic
``Field`` is lost. A description is plain text of one or two sentences, since one of Prefect's UIs
does not render Markdown.
"""

import inspect
from collections.abc import Iterator
from typing import Annotated, Any, Final, ParamSpec, TypeVar, get_args

from prefect import Flow
from prefect.utilities.callables import parameter_schema
from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic.json_schema import NoDefault, SkipJsonSchema

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError

P = ParamSpec("P")
R = TypeVar("R")


def build_form(flow: Flow[P, R]) -> Flow[P, R]:
    """Give the flow's run form the titles of this module, for every way of deploying it.

    Prefect uses the names of parameters as titles, and overwrites those of the JSON schema. It
    lets a ``Field`` set more, but only as a parameter's default value, which would spoil calls of
    the flow in Python. So the fields are in the signature that Prefect reads for the form alone.
    There, parameters that are empty by default have no default value: the form leaves out what is
    empty, where it would send null for the default None.
    """
    signature = inspect.signature(flow.fn)
    shown: Any = flow
    shown.__signature__ = signature.replace(parameters=list(_titled(signature)))
    flow.parameters = parameter_schema(flow)
    return flow


def _titled(signature: inspect.Signature) -> Iterator[inspect.Parameter]:
    for parameter in signature.parameters.values():
        title = _title_of(parameter.annotation)
        field = Field(default=_default_of(parameter), json_schema_extra=title)
        yield parameter.replace(default=field)


def _default_of(parameter: inspect.Parameter) -> Any:
    if parameter.default is parameter.empty:
        return ...
    return NoDefault if parameter.default in (None, "") else parameter.default


def _title_of(annotation: object) -> dict[str, Any]:
    for part in get_args(annotation):
        if isinstance(part, WithJsonSchema) and part.json_schema is not None:
            return {"title": part.json_schema["title"]}
    return {}


def form_input(title: str, description: str, **schema: Any) -> WithJsonSchema:
    """Describe a parameter's input: one of a plain type, or a tab for each of several types."""
    return WithJsonSchema(schema | {"title": title, "description": description})


def text_of(value: object) -> object:
    """Return a pipeline's number as text."""
    return str(value) if type(value) is int else value


PATH_OR_NUMBER: Final = (
    {"title": "Path", "type": "string"},
    {"title": "Number", "type": "integer"},
)
"""Programs pass the number as an integer, as ``prefect deployment run --param pipeline=7`` does."""

PipelineName = Annotated[
    str,
    BeforeValidator(text_of),
    form_input(
        "Pipeline",
        "The pipeline to seed: its number, or its path organization/project/pipeline.",
        anyOf=list(PATH_OR_NUMBER),
        examples=["acme/reviews/label-reviews"],
    ),
]
SourcePipelineName = Annotated[
    str,
    BeforeValidator(text_of),
    form_input(
        "Source pipeline",
        "The pipeline whose finished tasks are seeded: its number, or its path "
        "organization/project/pipeline. It must be in the same organization.",
        anyOf=list(PATH_OR_NUMBER),
        examples=["acme/reviews/label-reviews"],
    ),
]
DatasetName = Annotated[
    str,
    form_input(
        "Dataset",
        "A dataset of the pipeline's organization.",
        type="string",
        examples=["reviews"],
    ),
]
SourceUri = Annotated[
    str,
    form_input(
        "CSV file",
        "A path that the worker can read, s3://bucket/key, https://..., or any fsspec URL. A "
        "gzipped file is decompressed.",
        type="string",
        examples=["s3://inbox/reviews.csv"],
    ),
]
ZipUri = Annotated[
    str,
    form_input(
        "ZIP file",
        "A path that the worker can read, s3://bucket/key, https://..., or any fsspec URL. It is "
        "not downloaded as a whole.",
        type="string",
        examples=["s3://inbox/photos.zip"],
    ),
]
CsvName = Annotated[
    str,
    form_input(
        "CSV inside the ZIP",
        "The path of the CSV in the ZIP. If empty, the only CSV at its root, or else the only CSV.",
        type="string",
    ),
]
NamesEncoding = Annotated[
    str,
    form_input(
        "Encoding of the names in the ZIP",
        "The code page of file names, such as cp932 or cp850. Empty: as the ZIP says, or UTF-8. An "
        "error about a file that is not found suggests one.",
        type="string",
    ),
]
Encoding = Annotated[
    str,
    form_input(
        "Encoding",
        "The file's encoding, such as cp1252 or shift_jis. If empty, UTF-8, or UTF-16 if the file "
        "shows it.",
        type="string",
    ),
]
Delimiter = Annotated[
    str,
    form_input(
        "Delimiter",
        "The character between cells, or the word tab. A tab is the default if the name ends in "
        ".tsv.",
        type="string",
        examples=[";", "tab"],
    ),
]
Quoting = Annotated[
    Quote,
    form_input(
        "Quotes",
        "double: a cell in double quotes can hold the delimiter and line breaks. none: quotes are "
        "text, as in files of PostgreSQL's COPY.",
        type="string",
        enum=[quote.value for quote in Quote],
    ),
]
BulkCount = Annotated[
    int,
    form_input(
        "Number of tasks",
        f"How many blank tasks to create, at most {Limits().max_bulk_count:,} unless changed by "
        "SEEDING_MAX_BULK_COUNT.",
        type="integer",
        minimum=1,
    ),
]
BulkKey = Annotated[
    str,
    form_input(
        "Idempotency key",
        "Another run with the same key creates nothing. If empty, only a retry of this run, or "
        "another one for the same scheduled time, creates nothing.",
        type="string",
        maxLength=255,
    ),
]
SavedMappingName = Annotated[
    str,
    form_input(
        "Saved mapping",
        "A saved mapping of the pipeline, as NAME or NAME@VERSION. Mapping and Fields to skip "
        "override it.",
        type="string",
        examples=["reviews", "reviews@2"],
    ),
]
FieldSources = Annotated[
    dict[str, str],
    form_input(
        "Mapping",
        "For each field the column that fills it, as column or column:jsonpath, such as "
        '{"body": "payload:$.text"}. Other fields are matched by name.',
        type="object",
        additionalProperties={"type": "string"},
        examples=[{"body": "payload:$.text"}],
    ),
]
SkippedFields = Annotated[
    list[str],
    form_input(
        "Fields to skip",
        "Fields to leave empty on purpose.",
        type="array",
        items={"type": "string"},
    ),
]
AcceptDrift = Annotated[
    bool,
    form_input(
        "Accept changed columns",
        "Seed even if columns have changed since the mapping was saved, or one that filled a "
        "field in the last seeding is gone.",
        type="boolean",
    ),
]
NewMappingName = Annotated[
    str,
    form_input(
        "Save the mapping as",
        "Save the mapping of this run under this name, as its next version.",
        type="string",
    ),
]
Review = Annotated[
    bool,
    form_input(
        "Review the mapping",
        "Pause with a form in which you can check and change the mapping. Not for unattended runs.",
        type="boolean",
    ),
]
ReviewMinutes = Annotated[
    int,
    form_input(
        "Minutes to wait for the review",
        "How many minutes the form waits for an answer before the run is cancelled.",
        type="integer",
        minimum=1,
    ),
]
BadRows = Annotated[
    OnError,
    form_input(
        "If a row is bad",
        "reject-file: one bad row rejects all rows, and nothing is created. skip-rows: the good "
        "rows are created, and the bad rows are written to a file.",
        type="string",
        enum=[mode.value for mode in OnError],
    ),
]
MaxRejected = Annotated[
    str,
    BeforeValidator(text_of),
    form_input(
        "Most rejected rows",
        "If bad rows are skipped and there are more than this number of them, or this percentage "
        "such as 5%, the run fails and nothing is created. Empty: any number.",
        anyOf=[
            {"title": "Number", "type": "integer"},
            {"title": "Percentage", "type": "string"},
        ],
    ),
]
GroupName = Annotated[
    str,
    form_input(
        "Name of the group",
        "A name for the group of tasks that this run creates.",
        type="string",
        examples=["reviews of January"],
    ),
]
GroupLabels = Annotated[
    list[str],
    form_input(
        "Labels of the group",
        "Labels as KEY=VALUE, such as batch=night. Events about the group carry them.",
        type="array",
        items={"type": "string"},
        examples=[["batch=night"]],
    ),
]
DryRun = Annotated[
    bool, form_input("Dry run", "Check everything and create nothing.", type="boolean")
]
AllowDuplicate = Annotated[
    bool,
    form_input(
        "Allow duplicates",
        "Seed this content even if the pipeline was seeded with it before.",
        type="boolean",
    ),
]
Full = Annotated[
    bool,
    form_input(
        "Source is complete",
        "The source has all of its rows: tasks whose rows are missing from it are treated as the "
        "pipeline's on_missing says.",
        type="boolean",
    ),
]
AllowShrink = Annotated[
    bool,
    form_input(
        "Allow shrinking",
        "Withdraw even more than half of the source's tasks if their rows are missing.",
        type="boolean",
    ),
]
Reseed = Annotated[
    bool,
    form_input("Seed rows again", "Seed rows again that were seeded before.", type="boolean"),
]
ChainId = Annotated[
    int | None,
    form_input(
        "Chain",
        "The number of the chain to fire first. If empty, all chains that are due.",
        type="integer",
    ),
]
Once = Annotated[
    bool,
    form_input(
        "Once",
        "Create the missing tasks once and end. Use it for a schedule or your own automation.",
        type="boolean",
    ),
]
SensorMinutes = Annotated[
    int,
    form_input(
        "Minutes",
        "How many minutes to watch before a new run takes over.",
        type="integer",
        minimum=1,
    ),
]
CleansUp = Annotated[
    bool,
    form_input(
        "Clean up",
        "Also delete old tasks, and stored files that no task refers to.",
        type="boolean",
    ),
]
UpkeepMinutes = Annotated[
    int,
    form_input(
        "Minutes",
        "How many minutes to stay and repeat this before a new run takes over. 0 does it once.",
        type="integer",
        minimum=0,
    ),
]

TakesOver = Annotated[str, SkipJsonSchema()]
"""The id of the flow run that this run replaces. Internal, so the form does not show it."""

UploadId = Annotated[str, SkipJsonSchema()]
"""The upload over the HTTP API that this run processes. Internal, like ``TakesOver``."""
