"""The flow that creates tasks from the rows of a CSV file."""

from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.steps.forms.parameters import (
    AllowDuplicate,
    AllowShrink,
    BadRows,
    Delimiter,
    DryRun,
    Encoding,
    Full,
    GroupLabels,
    GroupName,
    MaxRejected,
    PipelineName,
    Quoting,
    SourceUri,
    UploadId,
)
from tasks_lib.steps.runs.flow import seeding_flow
from tasks_lib.steps.seeding import fetch_source, load_csv, publish, run_name, seeding_run


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return run_name("csv", parameters["source"], str(parameters["pipeline"]))


@seeding_flow("seed-from-csv", _run_name)
def seed_from_csv(
    pipeline: PipelineName,
    source: SourceUri,
    *,
    encoding: Encoding = "",
    delimiter: Delimiter = ",",
    quote: Quoting = Quote.DOUBLE,
    on_error: BadRows = OnError.REJECT_FILE,
    max_rejected: MaxRejected = "",
    dry_run: DryRun = False,
    allow_duplicate: AllowDuplicate = False,
    full: Full = False,
    allow_shrink: AllowShrink = False,
    name: GroupName = "",
    labels: GroupLabels = [],  # noqa: B006 - shown in the run form; nothing changes it
    upload: UploadId = "",
) -> State[Any]:
    """Create one task for each row of a CSV file whose header matches the dataset fields.

    All rows become tasks together, and the same content only once. The result is the report; if
    the file is rejected, the run ends as Failed with the reason.
    """
    request = CsvRequest(
        pipeline=pipeline,
        source=source,
        on_error=on_error,
        max_rejected=max_rejected,
        dry_run=dry_run,
        allow_duplicate=allow_duplicate,
        full=full,
        allow_shrink=allow_shrink,
        name=name,
        labels=tuple(labels),
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
    )
    with seeding_run(request, upload) as run:
        file = fetch_source(run, source)
        seeded = load_csv(run, request, file)
        return publish(run, seeded)
