"""The parameters of the flow that imports a file into a dataset; see ``parameters``."""

from typing import Annotated, Literal

from tasks_lib.domain.statuses import OnError
from tasks_lib.intake.datasets.file_formats import FileFormat
from tasks_lib.steps.forms.parameters import form_input

OrganizationName = Annotated[
    str,
    form_input(
        "Organization",
        "The organization to which the dataset belongs.",
        type="string",
        examples=["acme"],
    ),
]
TargetDataset = Annotated[
    str,
    form_input(
        "Dataset",
        "The dataset to import into. It is created if it does not exist.",
        type="string",
        examples=["reviews"],
    ),
]
FileUri = Annotated[
    str,
    form_input(
        "File",
        "CSV, a JSON array, JSON Lines, Parquet or a workbook: a path that the worker can read, "
        "s3://bucket/key, https://..., or any fsspec URL. A gzipped file is decompressed. Or "
        "results://PIPELINE: the finished tasks of a pipeline; results://PIPELINE?group=7 takes "
        "those of one group.",
        type="string",
        examples=["s3://inbox/reviews.csv"],
    ),
]
KeyColumns = Annotated[
    list[str],
    form_input(
        "Key",
        "The columns that identify a row: rows with a known key are updated, others added.",
        type="array",
        items={"type": "string"},
        examples=[["review_id"]],
    ),
]
Append = Annotated[
    bool, form_input("Append", "Without a key: add the rows to the dataset.", type="boolean")
]
Replace = Annotated[
    bool, form_input("Replace", "Without a key: replace the rows of the dataset.", type="boolean")
]
FullFile = Annotated[
    bool,
    form_input(
        "File is complete",
        "With a key: the file has all rows, and those that it lacks are removed from the dataset.",
        type="boolean",
    ),
]
AllowRemoval = Annotated[
    bool,
    form_input(
        "Allow shrinking",
        "Remove even more than half of the rows if the file lacks them.",
        type="boolean",
    ),
]
BadImportRows = Annotated[
    OnError,
    form_input(
        "If a row is bad",
        "reject-file: one bad row rejects all rows, and nothing is imported. skip-rows: the good "
        "rows are imported, and the run's page lists the bad ones.",
        type="string",
        enum=[mode.value for mode in OnError],
    ),
]
FileFormatName = Annotated[
    FileFormat | Literal[""],
    form_input(
        "Format",
        "The file's format. If empty, its name or its first bytes decide.",
        type="string",
        enum=[written.value for written in FileFormat],
    ),
]
Columns = Annotated[
    list[str],
    form_input(
        "Columns",
        "Import only these columns of a CSV, Parquet file or sheet.",
        type="array",
        items={"type": "string"},
    ),
]
Records = Annotated[
    str,
    form_input(
        "Records",
        "The member of a JSON file that holds the rows, such as data or response.items.",
        type="string",
        examples=["data"],
    ),
]
NanAsNull = Annotated[
    bool,
    form_input("NaN as null", "Import NaN, which JSON does not have, as null.", type="boolean"),
]
Sheet = Annotated[
    str,
    form_input(
        "Sheet",
        "The sheet of a workbook; its first row that is not empty is the header. If empty, the "
        "only sheet that is not hidden.",
        type="string",
        examples=["Sheet1"],
    ),
]
