"""What a person sees of a seeding in the Prefect UI: progress, a summary, the rejected rows."""

import time
from collections.abc import Callable
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from tasks_lib.domain.mapping import Plan
from tasks_lib.domain.mapping_plan import markdown
from tasks_lib.domain.names import counted, display_name
from tasks_lib.intake.progress import Progress
from tasks_lib.operations.loading import Seeded

_SECONDS_BETWEEN_UPDATES = 2.0


class ProgressArtifact:
    """A progress bar on the run's page: updated in place, never more often than every two seconds.

    A load that ends sooner than that draws none.
    """

    def __init__(self, source: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = display_name(source)
        self._clock = clock
        self._updated_at = clock()
        self._artifact_id: UUID | None = None

    def __call__(self, progress: Progress) -> None:
        """Show how far the load is."""
        if self._clock() - self._updated_at < _SECONDS_BETWEEN_UPDATES:
            return
        self._updated_at = self._clock()
        percent = 100 * progress.done / max(progress.total, 1)
        description = f"{self._source}: {progress.sentence}"
        if self._artifact_id is None:
            created = create_progress_artifact(progress=percent, description=description)
            assert isinstance(created, UUID)  # noqa: S101 - not a coroutine: we are not in a loop
            self._artifact_id = created
        else:
            update_progress_artifact(self._artifact_id, progress=percent, description=description)

    def finish(self) -> None:
        """Fill the bar, if there is one."""
        if self._artifact_id is not None:
            update_progress_artifact(self._artifact_id, progress=100)


def publish_artifacts(seeded: Seeded, seconds: float) -> None:
    """Put the summary on the run's page, and the rejected rows if there are any."""
    report = seeded.report
    create_markdown_artifact(
        summary(seeded, seconds),
        key=f"seeding-pipeline-{seeded.pipeline.id}",
        description=report.sentence,
    )
    if report.errors:
        create_table_artifact(
            [
                {"row": error.row, "field": error.field, "code": error.code, "why": error.message}
                for error in report.errors
            ],
            description=f"The first {counted(len(report.errors), 'problem')}",
        )
    if report.rejects_uri is not None:
        create_link_artifact(
            report.rejects_uri,
            link_text=display_name(report.rejects_uri),
            description="All rejected rows, and what is wrong with each",
        )


def publish_plan(plan: Plan) -> None:
    """Put the mapping on the run's page: which column fills which field, why, and samples."""
    create_markdown_artifact(f"## Mapping\n\n{markdown(plan)}", description="Mapping")


def summary(seeded: Seeded, seconds: float) -> str:
    """Return the summary as Markdown."""
    report = seeded.report
    lines = [
        f"## {_heading(seeded)}",
        "",
        report.sentence,
        "",
        "| | |",
        "| --- | --- |",
        f"| Pipeline | {_cell(seeded.pipeline.path)} ({seeded.pipeline.id}) |",
        f"| Source | `{_cell(report.source)}` |",
        f"| Rows read | {seeded.rows_read:,} |",
        f"| {'Would create' if report.dry_run else 'Created'} | {report.created:,} |",
        f"| Rejected | {report.rejected:,} |",
    ]
    if seeded.files:
        lines.append(f"| Files | {seeded.files:,} |")
    if report.already_seeded:
        lines.append(f"| Already seeded | {report.already_seeded:,} |")
    if seeded.blank_lines:
        lines.append(f"| Blank lines skipped | {seeded.blank_lines:,} |")
    lines.append(f"| Group | {report.group_id if report.group_id is not None else 'none'} |")
    lines.append(
        f"| Time | {seconds:.1f} s, {seeded.rows_read / max(seconds, 0.001):,.0f} rows a second |"
    )
    if report.rejects_uri is not None:
        lines.append(f"| Rejected rows | `{_cell(report.rejects_uri)}` |")
    for warning in seeded.warnings:
        lines.extend(("", f"**Warning**: {warning}"))
    return "\n".join(lines)


def _heading(seeded: Seeded) -> str:
    report = seeded.report
    if report.is_rejection:
        return "Rejected"
    if report.already_seeded:
        return "Already seeded"
    return "Dry run" if report.dry_run else "Seeded"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
