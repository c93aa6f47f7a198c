"""The commands ``seed csv`` and ``seed zip``: tasks from a file."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tasks_lib.cli.options.arguments import (
    Flag,
    Json,
    MaxRejected,
    PipelineArgument,
    SourceArgument,
)
from tasks_lib.cli.options.naming import GroupName, Labels
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.names import display_name
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import UsageError

if TYPE_CHECKING:
    from tasks_lib.operations.seeding.file_sources import CsvRequest
    from tasks_lib.operations.seeding.reports import Seeded
    from tasks_lib.operations.workspace import Workspace


def seed_csv(
    pipeline: PipelineArgument,
    source: SourceArgument,
    /,
    *,
    on_error: OnError = OnError.REJECT_FILE,
    max_rejected: MaxRejected = "",
    name: GroupName = "",
    label: Labels = (),
    dry_run: Flag = False,
    allow_duplicate: Flag = False,
    full: Flag = False,
    allow_shrink: Flag = False,
    encoding: str = "",
    delimiter: str = ",",
    quote: Quote = Quote.DOUBLE,
    deployed: Flag = False,
    json: Json = False,
) -> None:
    """Create one task for each row of a CSV file.

    Parameters
    ----------
    source
        A path, s3://bucket/key, https://..., any fsspec URL, or - for standard input. It may be
        gzipped.
    on_error
        If a row is bad: reject the whole file, or skip the row.
    dry_run
        Check every row and create nothing.
    allow_duplicate
        Seed this content even if the pipeline was seeded with it before.
    full
        The source has all of its rows: treat tasks whose rows are missing as on_missing says.
    allow_shrink
        Withdraw even more than half of the source's tasks.
    encoding
        Such as cp1252 or shift_jis. By default UTF-8, or UTF-16 if the file shows it.
    delimiter
        The character between cells, or the word tab. By default a comma; a tab if the name ends in
        .tsv.
    quote
        double: cells may be enclosed in double quotes; none: quotes are text.
    deployed
        Run the deployment seed-from-csv and wait for it, instead of seeding in this process.
    """
    from tasks_lib.operations.seeding.file_sources import CsvRequest
    from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv

    request = CsvRequest(
        pipeline=pipeline,
        source=source,
        on_error=on_error,
        max_rejected=max_rejected,
        name=name,
        labels=tuple(label),
        dry_run=dry_run,
        allow_duplicate=allow_duplicate,
        full=full,
        allow_shrink=allow_shrink,
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
    )
    _seed_file("seed-from-csv", request, seed_from_csv, deployed=deployed, as_json=json)


def seed_zip(
    pipeline: PipelineArgument,
    source: SourceArgument,
    /,
    *,
    csv_name: str = "",
    names_encoding: str = "",
    on_error: OnError = OnError.REJECT_FILE,
    max_rejected: MaxRejected = "",
    name: GroupName = "",
    label: Labels = (),
    dry_run: Flag = False,
    allow_duplicate: Flag = False,
    full: Flag = False,
    allow_shrink: Flag = False,
    encoding: str = "",
    delimiter: str = ",",
    quote: Quote = Quote.DOUBLE,
    deployed: Flag = False,
    json: Json = False,
) -> None:
    """Create one task for each row of a CSV in a ZIP, with the files that the row names.

    Parameters
    ----------
    source
        A ZIP: a path, s3://bucket/key, https://..., any fsspec URL, or - for standard input. A
        remote one is not downloaded as a whole.
    csv_name
        The CSV's path in the ZIP. By default the only CSV at its root, or else the only one.
    names_encoding
        The code page of file names that do not say theirs, such as cp932, gbk or cp850.
    on_error
        If a row is bad: reject the whole ZIP, or skip the row.
    dry_run
        Check every row and file, and create nothing.
    allow_duplicate
        Seed this content even if the pipeline was seeded with it before.
    full
        The source has all of its rows: treat tasks whose rows are missing as on_missing says.
    allow_shrink
        Withdraw even more than half of the source's tasks.
    encoding
        The CSV's, such as cp1252 or shift_jis. By default UTF-8, or UTF-16 if it shows it.
    delimiter
        The character between cells, or the word tab. By default a comma; a tab if the name ends in
        .tsv.
    quote
        double: cells may be enclosed in double quotes; none: quotes are text.
    deployed
        Run the deployment seed-from-zip and wait for it, instead of seeding in this process.
    """
    from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip

    request = ZipRequest(
        pipeline=pipeline,
        source=source,
        on_error=on_error,
        max_rejected=max_rejected,
        name=name,
        labels=tuple(label),
        dry_run=dry_run,
        allow_duplicate=allow_duplicate,
        full=full,
        allow_shrink=allow_shrink,
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        csv_name=csv_name,
        names_encoding=names_encoding,
    )
    _seed_file("seed-from-zip", request, seed_from_zip, deployed=deployed, as_json=json)


def _seed_file(
    name: str,
    request: "CsvRequest",
    operation: "Callable[..., Seeded]",
    *,
    deployed: bool,
    as_json: bool,
) -> None:
    from tasks_lib.cli.seed.run import Act, finish, seed_by
    from tasks_lib.operations.catalogue.read import find_pipeline
    from tasks_lib.transport.filesystems import is_stream, local_path

    def run(workspace: "Workspace", run_id: str, on_progress: OnProgress) -> "Seeded":
        return operation(workspace, request, run_id=run_id, on_progress=on_progress)

    source = request.source
    if is_stream(source):
        if deployed:
            raise UsageError(
                f"a worker cannot read {display_name(source)} of this machine; write it to a file "
                "that the worker can read, or leave out --deployed"
            )
    elif "://" not in source and local_path(source) is not None:
        source = str(Path(source).absolute())  # a worker runs in another folder
    parameters = asdict(request) | {
        "source": source,
        "on_error": request.on_error.value,
        "quote": request.quote.value,
        "labels": list(request.labels),
    }
    with configured_workspace() as workspace:
        pipeline = find_pipeline(workspace.store, request.pipeline)
        outcome = seed_by(workspace, Act(name, parameters, run, request.source), deployed=deployed)
    finish(outcome, pipeline, as_json=as_json)
