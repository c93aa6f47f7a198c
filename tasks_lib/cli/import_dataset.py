"""The command ``dataset import``."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import uuid4

from cyclopts import Parameter

from tasks_lib.cli.optional_prefect import refresh_choices
from tasks_lib.cli.options.arguments import Flag, Json, OrganizationArgument, SourceArgument
from tasks_lib.cli.output import console
from tasks_lib.cli.output.advice import advice_on_import
from tasks_lib.cli.output.printed import PrintedError, exit_status_of
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.names import display_name
from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError

if TYPE_CHECKING:
    from tasks_lib.operations.datasets.import_request import (
        ImportRejectedError,
        ImportReport,
        ImportRequest,
    )
    from tasks_lib.operations.datasets.query_datasets import RefreshRejectedError
    from tasks_lib.operations.workspace import Workspace


def import_file(
    organization: OrganizationArgument,
    name: str,
    file: SourceArgument,
    /,
    *,
    append: Flag = False,
    replace: Flag = False,
    key: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    full: Flag = False,
    allow_shrink: Flag = False,
    on_error: OnError = OnError.REJECT_FILE,
    max_rejected: str = "",
    deployed: Flag = False,
    format_: Annotated[
        Literal["csv", "json", "jsonl", "parquet", "xlsx", "ods"] | None, Parameter(name="--format")
    ] = None,
    encoding: str = "",
    delimiter: str = ",",
    quote: Quote = Quote.DOUBLE,
    columns: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    records: str = "",
    nan_as_null: Flag = False,
    sheet: str = "",
    json: Json = False,
) -> None:
    """Import the rows of a file into a dataset: all of them, or none.

    Parameters
    ----------
    name
        The dataset's name. It is created if it does not exist.
    file
        CSV, a JSON array of objects, JSON Lines, Parquet, or a workbook of Excel or ODS: a path,
        any fsspec URL, or - for standard input. Or results://PIPELINE: the finished tasks of a
        pipeline; results://PIPELINE?group=7 takes those of one group.
    append
        Add the rows to the dataset.
    replace
        Replace the rows of the dataset.
    key
        The columns that identify a row, as id or shop,id: rows with a known key are updated, others
        added.
    full
        The file has all rows: those that it lacks are removed from the dataset. Needs --key.
    allow_shrink
        With --full: let more than half of the rows be removed.
    on_error
        Whether one bad row rejects the whole file or is left out.
    max_rejected
        With skip-rows: the most bad rows to leave out, as 10 or 5%.
    deployed
        Run the deployment import-dataset and wait for it, instead of importing in this process.
    format_
        The file's format. By default it is detected from the name or the content.
    encoding
        A CSV's encoding, such as cp1252. By default UTF-8, or as its byte order mark says.
    delimiter
        The character between a CSV's cells, or the word tab. By default a comma; a tab if the name
        ends in .tsv.
    quote
        double: a CSV's cells may be enclosed in double quotes; none: quotes are text.
    columns
        Import only these columns of a CSV, Parquet file or sheet, as id,body; repeat for more. Put
        a name with a comma in double quotes.
    records
        The member of a JSON file that holds the rows, such as data or response.items.
    nan_as_null
        Import NaN, which JSON does not have, as null.
    sheet
        The sheet of a workbook; its first row that is not empty is the header. By default the only
        sheet that is not hidden.
    """
    from tasks_lib.intake.datasets.file_formats import FileFormat
    from tasks_lib.operations.datasets.import_dataset import import_dataset
    from tasks_lib.operations.datasets.import_request import (
        ImportRejectedError,
        ImportRequest,
    )

    request = ImportRequest(
        organization=organization,
        name=name,
        source=file,
        mode=ImportRequest.mode_of(append=append, replace=replace),
        key=split_names(key),
        full=full,
        allow_shrink=allow_shrink,
        on_error=on_error,
        max_rejected=max_rejected,
        format=FileFormat(format_) if format_ else None,
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        columns=split_names(columns),
        records=records,
        nan_as_null=nan_as_null,
        sheet=sheet,
    )
    with (
        configured_workspace() as workspace,
        printing_rejection(ImportRejectedError, as_json=json),
    ):
        if deployed:
            report = _run_deployed(workspace, request)
        else:
            with console.progress_bar(file) as on_progress:
                report = import_dataset(workspace, request, on_progress, run_id=str(uuid4()))
            refresh_choices(workspace)
    console.print_warnings(report.warnings)
    if json:
        console.print_json(report.model_dump(mode="json"))
    else:
        console.out.print(report.sentence, markup=False)
        if report.errors:
            console.print_problems(report.errors)
        console.print_rejects_uri(report.rejects_uri)


def _run_deployed(workspace: "Workspace", request: "ImportRequest") -> "ImportReport":
    """Run the deployment, wait for it, and return the report from the store."""
    from tasks_lib.operations.datasets.import_dataset import find_report
    from tasks_lib.operations.datasets.import_request import ImportMode, ImportRejectedError
    from tasks_lib.steps import prefect_api
    from tasks_lib.transport.filesystems import is_stream, local_path

    source = request.source
    if is_stream(source):
        raise UsageError(
            f"a worker cannot read {display_name(source)} of this machine; write it to a file "
            "that the worker can read, or leave out --deployed"
        )
    if "://" not in source and local_path(source) is not None:
        source = str(Path(source).absolute())  # a worker runs in another folder
    parameters: dict[str, object] = {
        "organization": request.organization,
        "dataset": request.name,
        "source": source,
        "key": list(request.key),
        "append": request.mode is ImportMode.APPEND,
        "replace": request.mode is ImportMode.REPLACE,
        "full": request.full,
        "allow_shrink": request.allow_shrink,
        "on_error": request.on_error.value,
        "max_rejected": request.max_rejected,
        "encoding": request.encoding,
        "delimiter": request.delimiter,
        "quote": request.quote.value,
        "columns": list(request.columns),
        "records": request.records,
        "nan_as_null": request.nan_as_null,
        "sheet": request.sheet,
    }
    if request.format is not None:  # Prefect takes none but the formats
        parameters["file_format"] = request.format.value

    def print_progress(progress: str) -> None:
        console.err.print(f"import-dataset: {progress}", markup=False)

    report = prefect_api.run_deployment(
        "import-dataset", parameters, partial(find_report, workspace), print_progress
    )
    if report.is_rejection:
        raise ImportRejectedError(report)
    return report


def split_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Split names at commas, except within double quotes."""
    return tuple(name for text in texts for name in next(csv.reader([text]), []))


@contextmanager
def printing_rejection(
    rejection: "type[ImportRejectedError | RefreshRejectedError]", *, as_json: bool
) -> Iterator[None]:
    """Print the report of a rejection, then raise PrintedError."""
    try:
        yield
    except rejection as error:
        console.print_error(error, as_json=False)
        problems = error.report.errors
        if as_json:
            console.print_json(error.report.model_dump(mode="json"))
        elif len(problems) > 1 or problems[0].row is not None:  # else the sentence says all
            console.print_problems(problems)
        if not as_json:
            console.print_rejects_uri(getattr(error.report, "rejects_uri", None))
        console.print_hints(advice_on_import(problems))
        raise PrintedError(exit_status_of(problems)) from None
