"""The artifacts of a seeding in the Prefect UI: progress, a summary, the rejected rows."""

import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.mapping.plans import Plan
from tasks_lib.domain.names import counted, display_name
from tasks_lib.domain.naming import UNNAMED, Naming
from tasks_lib.domain.progress import Progress
from tasks_lib.domain.report import MAX_INLINE_ERRORS, Report, ReportError
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations.seeding.rejects import Rejects
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.operations.waiting.look import Look
from tasks_lib.steps.mapping_markdown import markdown

_SECONDS_BETWEEN_UPDATES = 2.0


class ProgressArtifact:
    """A progress bar on the run's page, updated in place at most every two seconds.

    A load that ends sooner shows none.
    """

    def __init__(self, source: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = display_name(source)
        self._clock = clock
        self._updated_at = clock()
        self._artifact_id: UUID | None = None
        self._latest = Progress(0, 0, 0)

    def __call__(self, progress: Progress) -> None:
        """Show the progress of the load."""
        self._latest = progress
        if self._clock() - self._updated_at >= _SECONDS_BETWEEN_UPDATES:
            self._show(_percent(progress))

    def finish(self, *, is_complete: bool) -> None:
        """Show the final count, if there is a bar; fill the bar if the load is complete."""
        if self._artifact_id is not None:
            self._show(100 if is_complete else _percent(self._latest))

    def _show(self, percent: float) -> None:
        self._updated_at = self._clock()
        description = f"{self._source}: {self._latest.sentence}"
        if self._artifact_id is None:
            artifact_id = create_progress_artifact(progress=percent, description=description)
            assert isinstance(artifact_id, UUID)  # noqa: S101 - no coroutine outside a loop
            self._artifact_id = artifact_id
        else:
            update_progress_artifact(self._artifact_id, progress=percent, description=description)


def _percent(progress: Progress) -> float:
    return 100 * progress.done / max(progress.total, 1)


@contextmanager
def showing_progress(source: str) -> Iterator[ProgressArtifact]:
    """Yield a progress bar that is finished at the end of the block."""
    artifact = ProgressArtifact(source)
    try:
        yield artifact
    except BaseException:
        artifact.finish(is_complete=False)
        raise
    artifact.finish(is_complete=True)


def publish_artifacts(
    seeded: Seeded, rejects: Rejects | None, seconds: float, naming: Naming = UNNAMED
) -> None:
    """Put the summary on the run's page, and the rejected rows if there are any."""
    report = seeded.report
    create_markdown_artifact(
        summary(seeded, seconds, naming),
        key=artifact_key(seeded.pipeline),
        description=report.sentence,
    )
    publish_problems(report.errors)
    if rejects is not None:
        create_markdown_artifact(
            rejects_markdown(rejects, report), description=_describe_rejects(rejects, report)
        )


def publish_problems(errors: Sequence[ReportError]) -> None:
    """Put a table of the problems on the run's page, if there are any."""
    if errors:
        create_table_artifact(
            [
                {
                    "row": error.row,
                    "field": error.field,
                    "code": error.code,
                    "why": error.message,
                }
                for error in errors
            ],
            description=_describe_problems(errors),
        )


def artifact_key(pipeline: Pipeline) -> str:
    """Return the key under which the artifacts page lists the summaries of a pipeline."""
    return slug_of(pipeline.path) or f"pipeline-{pipeline.id}"


def slug_of(name: str) -> str:
    """Return a name as Prefect allows it for a key; empty if no character of it can stay."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def rejects_markdown(rejects: Rejects, report: Report) -> str:
    """Return the rejected rows as Markdown: their CSV, if large its beginning, and the file."""
    lines = ["## Rejected rows", ""]
    if rejects.link is not None:
        name, until = display_name(rejects.uri), f"{rejects.expires_at:%Y-%m-%d %H:%M} UTC"
        lines.append(f"[Open {name}]({rejects.link}) until {until}.")
    if rejects.path is not None:
        lines += ["The file is on the machine of the worker:", "", *_fenced(str(rejects.path))]
    else:
        copy = f"aws s3 cp {shlex.quote(rejects.uri)} ."
        lines += ["Afterwards, copy it with:", "", *_fenced(copy)]
    lines.append("")
    size = f"It holds {counted(report.rejected, 'row')} in {rejects.size:,} bytes"
    if rejects.first_rows is None:
        shown = "It holds the original columns, the number of each row and what is wrong with it:"
    elif rejects.first_rows == 0:
        shown = f"{size}. The first row is too long to show here."
    else:
        shown = f"{size}. The first {rejects.first_rows:,} of {report.rejected:,} rows:"
    lines.append(shown)
    if rejects.text:
        lines += ["", *_fenced(rejects.text.rstrip("\r\n"), "csv")]
    what_to_do = (
        "Nothing was created: correct the source itself and seed it again."
        if report.is_rejection
        else "Correct the rows and seed them as a file of their own."
    )
    lines += ["", what_to_do]
    return "\n".join(lines)


def _describe_problems(errors: Sequence[ReportError]) -> str:
    problems = counted(len(errors), "problem")
    return problems if len(errors) < MAX_INLINE_ERRORS else f"The first {problems}"


def _describe_rejects(rejects: Rejects, report: Report) -> str:
    if rejects.first_rows is None:
        return "All rejected rows, and what is wrong with each"
    if rejects.first_rows == 0:
        return "Where the rejected rows are"
    number = f"{rejects.first_rows:,} of {report.rejected:,} rejected rows"
    return f"The first {number}, and what is wrong with each"


def _fenced(text: str, language: str = "") -> list[str]:
    """Return a block of code whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    shown = text.replace("\0", "\N{SYMBOL FOR NULL}")  # PostgreSQL's JSON holds no NUL
    return [f"{fence}{language}", *shown.replace("\r\n", "\n").split("\n"), fence]


def publish_plan(plan: Plan) -> None:
    """Put the mapping on the run's page: which column fills which field, why, and samples."""
    create_markdown_artifact(f"## Mapping\n\n{markdown(plan)}", description="Mapping")


def publish_groups(look: Look, description: str) -> None:
    """Put the groups of a wait on the run's page, with the number of their tasks by status."""
    statuses = [
        status for status in TaskStatus if any(group.counts[status] for group in look.groups)
    ]
    table = [
        {"group": group.id, "name": group.name or "", "source": group.source}
        | {status.value: counts[status] for status in statuses}
        for group, counts in look.groups
    ]
    create_table_artifact(table=table, description=description)


def summary(seeded: Seeded, seconds: float, naming: Naming = UNNAMED) -> str:
    """Return the summary as Markdown."""
    report = seeded.report
    lines = [
        f"## {_heading(seeded)}",
        "",
        report.sentence,
        "",
        "| | |",
        "| --- | --- |",
        f"| Pipeline | {cell(seeded.pipeline.path)} ({seeded.pipeline.id}) |",
        f"| Source | `{cell(report.source)}` |",
    ]
    counts = {
        "Rows read": seeded.rows_read,
        "Would create" if report.dry_run else "Created": report.created,
        "Rejected": report.rejected,
        "Files": seeded.files,
        "Already seeded": report.already_seeded,
        "With other values": report.changed,
        "Blank lines skipped": seeded.blank_lines,
    }
    lines += [f"| {name} | {count:,} |" for name, count in counts.items() if count]
    if report.group_id is not None:
        lines.append(f"| Group | {report.group_id} |")
    if naming.name is not None:
        lines.append(f"| Name | {cell(naming.name)} |")
    if naming.labels:
        lines.append(f"| Labels | {cell(naming.pairs)} |")
    rate = seeded.rows_read / max(seconds, 0.001)
    pace = f", {rate:,.0f} rows a second" if seeded.rows_read else ""
    lines.append(f"| Time | {seconds:.1f} s{pace} |")
    if report.rejects_uri is not None:
        lines.append(f"| Rejects file | `{cell(report.rejects_uri)}` |")
    for warning in seeded.warnings:
        lines.extend(("", f"**Warning**: {warning}"))
    return "\n".join(lines)


def _heading(seeded: Seeded) -> str:
    report = seeded.report
    if report.is_rejection:
        return "Rejected"
    if (report.already_seeded or report.changed) and not report.created:
        return "Already seeded"
    return "Dry run" if report.dry_run else "Seeded"


def cell(text: str) -> str:
    """Return a text as the cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
