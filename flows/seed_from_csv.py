"""A CSV file's rows become tasks."""

from typing import Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State

from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.file_sources import CsvRequest
from tasks_lib.steps.outcomes import ends_in_a_sentence
from tasks_lib.steps.parameters import (
    AllowDuplicate,
    BadRows,
    Delimiter,
    DryRun,
    Encoding,
    PipelineName,
    SourceUri,
    UploadId,
)
from tasks_lib.steps.seeding import fetch_source, load_csv, publish, run_name, seeding_run


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return run_name("csv", parameters["source"], str(parameters["pipeline"]))


@flow(name="seed-from-csv", flow_run_name=_run_name, persist_result=False)
@ends_in_a_sentence
def seed_from_csv(
    pipeline: PipelineName,
    source: SourceUri,
    on_error: BadRows = OnError.REJECT_FILE,
    dry_run: DryRun = False,
    allow_duplicate: AllowDuplicate = False,
    encoding: Encoding = "",
    delimiter: Delimiter = ",",
    upload: UploadId = "",
) -> State[Any]:
    """Create one task for each row of a CSV file whose header matches the dataset fields.

    All rows become tasks together, and the same content only once. The result is the report; a
    rejected file ends the run as Failed with the reason.
    """
    request = CsvRequest(pipeline, source, on_error, dry_run, allow_duplicate, encoding, delimiter)
    with seeding_run(pipeline, upload) as run:
        file = fetch_source(run, source)
        seeded = load_csv(run, request, file)
        return publish(run, seeded)
