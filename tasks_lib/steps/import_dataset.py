"""The step of importing a source into a dataset, and the artifacts of the result."""

from typing import Any
from uuid import uuid4

from prefect import runtime
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State

from tasks_lib.operations.datasets import import_dataset as operation
from tasks_lib.operations.datasets.import_request import (
    ImportRejectedError,
    ImportReport,
    ImportRequest,
)
from tasks_lib.steps.artifacts import cell, publish_problems, showing_progress, slug_of
from tasks_lib.steps.forms.choices import refresh_choices
from tasks_lib.steps.runs.outcomes import completed_state, run_logger, step
from tasks_lib.steps.runs.workspace import open_configured_workspace
from tasks_lib.steps.seeding import check_reaches_worker


def import_dataset(request: ImportRequest) -> State[Any]:
    """Import the source and publish the report, also that of a rejection."""
    try:
        report = import_rows(request)
    except ImportRejectedError as error:
        _publish(request, error.report)
        raise
    for warning in report.warnings:
        run_logger().warning(warning)
    _publish(request, report)
    return completed_state(report.sentence, report.model_dump(mode="json"))


@step("import rows")
def import_rows(request: ImportRequest) -> ImportReport:
    """Import the rows in one transaction, and offer the dataset's name in the run forms."""
    check_reaches_worker(request.source)
    run_id = runtime.flow_run.id or str(uuid4())
    with (
        open_configured_workspace() as workspace,
        showing_progress(request.source) as on_progress,
    ):
        report = operation.import_dataset(workspace, request, on_progress, run_id=run_id)
        refresh_choices(workspace.store)
        return report


def _publish(request: ImportRequest, report: ImportReport) -> None:
    slug = slug_of(f"dataset {request.organization} {request.name}")
    create_markdown_artifact(summary(request, report), key=slug, description=report.sentence)
    publish_problems(report.errors)


def summary(request: ImportRequest, report: ImportReport) -> str:
    """Return the summary as Markdown."""
    lines = [
        "## Rejected" if report.is_rejection else "## Imported",
        "",
        report.sentence,
        "",
        "| | |",
        "| --- | --- |",
        f"| Dataset | {cell(request.organization)}: {cell(request.name)} |",
        f"| Source | `{cell(report.source)}` |",
    ]
    counts = {
        "Version": report.version or 0,
        "New": report.imported,
        "Changed": report.changed,
        "As before": report.already_imported,
        "Removed": report.removed,
        "Rejected": report.rejected,
    }
    lines += [f"| {name} | {count:,} |" for name, count in counts.items() if count]
    if report.rejects_uri is not None:
        lines.append(f"| Rejects file | `{cell(report.rejects_uri)}` |")
    for warning in report.warnings:
        lines.extend(("", f"**Warning**: {warning}"))
    return "\n".join(lines)
