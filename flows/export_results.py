"""The flow that exports finished tasks."""

from typing import Any

from prefect import runtime
from prefect.client.schemas.objects import State

from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.operations.results.export import ExportRequest
from tasks_lib.steps.forms.result_parameters import (
    ByDay,
    Destination,
    ExportFormat,
    ExportGroup,
    FullExport,
    ResultPipelineName,
    WithFiles,
    WithSource,
)
from tasks_lib.steps.results import (
    Options,
    end_state,
    export_declared,
    export_results as export,
    run_name,
)
from tasks_lib.steps.runs.flow import seeding_flow


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return run_name(str(parameters["pipeline"] or ""), str(parameters["destination"] or ""))


@seeding_flow("export-results", _run_name)
def export_results(
    pipeline: ResultPipelineName = "",
    destination: Destination = "",
    *,
    format: ExportFormat = ResultFormat.PARQUET,  # noqa: A002 - the parameter's name
    group: ExportGroup = None,
    by_day: ByDay = False,
    with_source: WithSource = False,
    with_files: WithFiles = False,
    full: FullExport = False,
) -> State[Any]:
    """Export the tasks that were finished since the last export to the same folder or table.

    Without a destination, export to those that the catalogue declares for the pipeline, or for all
    pipelines. Each finished task is exported once, in the order of finishing. The result is the
    report.
    """
    if not destination:
        options = Options(format, group, by_day, with_source, with_files)
        return end_state(export_declared(pipeline, options, full=full))
    request = ExportRequest(
        pipeline=pipeline,
        destination=destination,
        format=format,
        group=group,
        by_day=by_day,
        full=full,
        with_source=with_source,
        with_files=with_files,
    )
    return end_state(export(request))
