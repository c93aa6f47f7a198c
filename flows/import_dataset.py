"""The flow that imports a file into a dataset."""

from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.domain.names import display_name
from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.datasets.import_request import ImportRequest
from tasks_lib.steps import import_dataset as steps
from tasks_lib.steps.forms.import_parameters import (
    AllowRemoval,
    Append,
    BadImportRows,
    Columns,
    FileFormatName,
    FileUri,
    FullFile,
    KeyColumns,
    NanAsNull,
    OrganizationName,
    Records,
    Replace,
    Sheet,
    TargetDataset,
)
from tasks_lib.steps.forms.parameters import Delimiter, Encoding, MaxRejected, Quoting
from tasks_lib.steps.runs.flow import seeding_flow


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    source = display_name(parameters["source"])
    return f"import {source} -> {parameters['organization']} {parameters['dataset']}"


@seeding_flow("import-dataset", _run_name)
def import_dataset(
    organization: OrganizationName,
    dataset: TargetDataset,
    source: FileUri,
    *,
    key: KeyColumns = [],  # noqa: B006 - shown in the run form; nothing changes it
    append: Append = False,
    replace: Replace = False,
    full: FullFile = False,
    allow_shrink: AllowRemoval = False,
    on_error: BadImportRows = OnError.REJECT_FILE,
    max_rejected: MaxRejected = "",
    file_format: FileFormatName = "",
    encoding: Encoding = "",
    delimiter: Delimiter = ",",
    quote: Quoting = Quote.DOUBLE,
    columns: Columns = [],  # noqa: B006
    records: Records = "",
    nan_as_null: NanAsNull = False,
    sheet: Sheet = "",
) -> State[Any]:
    """Import the rows of a file into a dataset, from which pipelines are seeded.

    All rows are imported together, and the same content once. With a key, new rows are added and
    changed ones updated. The result is the report; if the file is rejected, the run ends as Failed
    with the reason.
    """
    return steps.import_dataset(
        ImportRequest(
            organization=organization,
            name=dataset,
            source=source,
            mode=ImportRequest.mode_of(append=append, replace=replace),
            key=tuple(key),
            full=full,
            allow_shrink=allow_shrink,
            on_error=on_error,
            max_rejected=max_rejected,
            format=file_format or None,
            encoding=encoding,
            delimiter=delimiter,
            quote=quote,
            columns=tuple(columns),
            records=records,
            nan_as_null=nan_as_null,
            sheet=sheet,
        )
    )
