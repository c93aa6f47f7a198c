"""The flow that creates tasks from the rows of a ZIP's CSV, with the files that they name."""

from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.domain.rows.dialects import Quote
from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest
from tasks_lib.steps.forms.parameters import (
    AllowDuplicate,
    AllowShrink,
    BadRows,
    CsvName,
    Delimiter,
    DryRun,
    Encoding,
    Full,
    GroupLabels,
    GroupName,
    MaxRejected,
    NamesEncoding,
    PipelineName,
    Quoting,
    UploadId,
    ZipUri,
)
from tasks_lib.steps.runs.flow import seeding_flow
from tasks_lib.steps.seeding import (
    load_zip,
    publish,
    run_name,
    seeding_run,
    store_files,
    survey_zip,
)


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return run_name("zip", parameters["source"], str(parameters["pipeline"]))


@seeding_flow("seed-from-zip", _run_name)
def seed_from_zip(
    pipeline: PipelineName,
    source: ZipUri,
    *,
    csv_name: CsvName = "",
    names_encoding: NamesEncoding = "",
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
    """Create one task for each row of a ZIP's CSV, with the files that the row names.

    The files are stored by their content; then all rows become tasks together, and the same content
    only once. The result is the report; if the archive is rejected, the run ends as Failed with the
    reason.
    """
    request = ZipRequest(
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
        csv_name=csv_name,
        names_encoding=names_encoding,
    )
    with seeding_run(request, upload) as run:
        survey = survey_zip(run, request)
        files = store_files(run, request, survey)
        seeded = load_zip(run, request, survey, files)
        return publish(run, seeded)
