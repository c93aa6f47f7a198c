"""The rows of a ZIP's CSV become tasks, with the files that they name."""

from typing import Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.seed_from_zip import ZipRequest
from tasks_lib.steps.outcomes import ends_in_a_sentence
from tasks_lib.steps.parameters import (
    AllowDuplicate,
    BadRows,
    CsvName,
    Delimiter,
    DryRun,
    Encoding,
    PipelineName,
    UploadId,
    ZipUri,
)
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


@flow(name="seed-from-zip", flow_run_name=_run_name, persist_result=False)
@ends_in_a_sentence
def seed_from_zip(
    pipeline: PipelineName,
    source: ZipUri,
    on_error: BadRows = OnError.REJECT_FILE,
    dry_run: DryRun = False,
    allow_duplicate: AllowDuplicate = False,
    encoding: Encoding = "",
    delimiter: Delimiter = ",",
    csv_name: CsvName = "",
    upload: UploadId = "",
) -> State[Any]:
    """Create one task for each row of a ZIP's CSV, with the files that the row names.

    The files are stored by their content, then all rows become tasks together, and the same content
    only once. The result is the report; a rejected archive ends the run as Failed with the reason.
    """
    request = ZipRequest(
        pipeline, source, on_error, dry_run, allow_duplicate, encoding, delimiter, csv_name
    )
    with seeding_run(pipeline, upload) as run:
        survey = survey_zip(run, request)
        files = store_files(run, request, survey)
        seeded = load_zip(run, request, survey, files)
        return publish(run, seeded)
