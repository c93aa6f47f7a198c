"""The steps of exporting results."""

from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.results import declared, export
from tasks_lib.operations.results.declared import DeclaredReport, Options
from tasks_lib.operations.results.destinations import hide_password
from tasks_lib.operations.results.export import ExportReport, ExportRequest
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.steps.artifacts import ProgressArtifact, artifact_key
from tasks_lib.steps.prefect_api import post_events
from tasks_lib.steps.runs.outcomes import completed_state, run_logger, step
from tasks_lib.steps.runs.workspace import open_configured_workspace
from tasks_lib.steps.seeding import pipeline_path

__all__ = ["Options", "end_state", "export_declared", "export_results", "run_name"]


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
        _publish(report, pipeline)
    return report


@step("export declared results")
def export_declared(pipeline: str, options: Options, *, full: bool) -> DeclaredReport:
    """Bring the results that are new to the destinations that catalogues declare."""
    options.check_none()
    with open_configured_workspace() as workspace:
        try:
            report = declared.export_declared(workspace, pipeline, full=full)
        finally:
            announce_due(workspace.store, post_events, at=workspace.store.now())
        for export_report in report.exports:
            if export_report.exported:
                path = find_pipeline(workspace.store, str(export_report.pipeline_id))
                _publish(export_report, path)
    return report


def _publish(report: ExportReport, pipeline: Pipeline) -> None:
    create_markdown_artifact(
        _summary(report, pipeline.path),
        key=f"{artifact_key(pipeline)}-results",
        description=report.sentence,
    )


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
    if not destination:
        return f"{pipeline_path(pipeline) if pipeline else 'all pipelines'} -> declared"
    return f"{pipeline_path(pipeline)} -> {hide_password(destination)}"


def end_state(report: ExportReport | DeclaredReport) -> State[Any]:
    """Return the state in which a run that exported results ends."""
    run_logger().info(report.sentence)
    return completed_state(report.sentence, report.model_dump(mode="json"))
