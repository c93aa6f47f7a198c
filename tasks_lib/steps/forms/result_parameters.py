"""The parameters of the flow that exports results; see ``parameters``."""

from typing import Annotated

from pydantic import BeforeValidator

from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.steps.forms.parameters import PATH_OR_NUMBER, form_input, text_of

ResultPipelineName = Annotated[
    str,
    BeforeValidator(text_of),
    form_input(
        "Pipeline",
        "The pipeline whose finished tasks are exported: its number, or its path "
        "organization/project/pipeline. Empty: all pipelines whose catalogue declares results.",
        anyOf=list(PATH_OR_NUMBER),
        examples=["acme/reviews/label-reviews"],
    ),
]
Destination = Annotated[
    str,
    form_input(
        "Destination",
        "A folder that the worker can write: a path, s3://bucket/prefix, or any fsspec URL. Or a "
        "table: postgresql://user@host/database?table=labels, or secret:BLOCK?table=labels with "
        "the name of a Secret block that holds the URL of the database. Empty: the destinations "
        "that the catalogue declares.",
        type="string",
        examples=["s3://lake/labels"],
    ),
]
ExportFormat = Annotated[
    ResultFormat,
    form_input(
        "Format",
        "How the files are written.",
        type="string",
        enum=[kind.value for kind in ResultFormat],
    ),
]
ExportGroup = Annotated[
    int | None,
    form_input(
        "Group",
        "The number of a group, to export only its tasks. Empty: all tasks of the pipeline.",
        type="integer",
    ),
]
ByDay = Annotated[
    bool,
    form_input(
        "A folder for each day",
        "Write the files into a folder for each day (UTC) on which tasks were finished.",
        type="boolean",
    ),
]
WithSource = Annotated[
    bool,
    form_input(
        "With the source",
        "Add the columns of the tasks that these were created from, through any number of chains. "
        "Their names begin with the name of their pipeline and a dot.",
        type="boolean",
    ),
]
WithFiles = Annotated[
    bool,
    form_input(
        "With the files",
        "Copy the files of file fields into the folder files of the destination.",
        type="boolean",
    ),
]
FullExport = Annotated[
    bool,
    form_input(
        "Start over",
        "Replace the files or rows of earlier exports by new ones with all finished tasks.",
        type="boolean",
    ),
]
