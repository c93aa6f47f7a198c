"""The steps of exporting results."""

from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State

from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.results import export
from tasks_lib.operations.results.destinations import hide_password
from tasks_lib.operations.results.export import ExportReport, ExportRequest
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.steps.artifacts import ProgressArtifact, artifact_key
from tasks_lib.steps.prefect_api import post_events
from tasks_lib.steps.runs.outcomes import completed_state, run_logger, step
from tasks_lib.steps.runs.workspace import open_configured_workspace
from tasks_lib.steps.seeding import pipeline_path


@step("export results")
def export_results(request: ExportRequest) -> ExportReport:
    """Bring the results that are new to the destination."""
    progress = ProgressArtifact(request.shown_place)
    with open_configured_workspace() as workspace:
        report = export.export_results(workspace, request, on_progress=progress)
        progress.finish(is_complete=True)
        announce_due(workspace.store, post_events, at=workspace.store.now())
        pipeline = find_pipeline(workspace.store, str(report.pipeline_id))
    if report.exported:
        create_markdown_artifact(
            _summary(report, pipeline.path),
            key=f"{artifact_key(pipeline)}-results",
            description=report.sentence,
        )
    return report


def _summary(report: ExportReport, path: str) -> str:
    lines = [
        f"## Results of {path}",
        "",
        f"| Exported | {report.exported:,} |",
        "| --- | ---: |",
        f"| Destination | `{report.destination}` |",
        "",
    ]
    return "\n".join([*lines, *(f"- `{name}`" for name in report.files[:100])])


def run_name(pipeline: str, destination: str) -> str:
    """Return the name of a run, without a password."""
    return f"{pipeline_path(pipeline)} -> {hide_password(destination)}"


def end_state(report: ExportReport) -> State[Any]:
    """Return the state in which a run that exported results ends."""
    run_logger().info(report.sentence)
    return completed_state(report.sentence, report.model_dump(mode="json"))
