"""Output of the commands: tables and sentences for people, one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
from rich.table import Table
from rich.text import Text

from tasks_lib.cli.output import streams
from tasks_lib.domain.infinite import BLANK
from tasks_lib.domain.names import counted, display_name, shortened
from tasks_lib.domain.statuses import SeedKind, TaskStatus

if TYPE_CHECKING:  # they load what most commands do not need
    from tasks_lib.domain.mapping.plans import Plan
    from tasks_lib.domain.mapping.saved import SavedMapping
    from tasks_lib.domain.progress import OnProgress, Progress
    from tasks_lib.domain.report import Report, ReportError
    from tasks_lib.errors import SeedingError
    from tasks_lib.operations.api_keys import Key
    from tasks_lib.operations.catalogue.read import CountedPipeline
    from tasks_lib.operations.chains.manage import Chain, ChainExplanation
    from tasks_lib.operations.datasets.data_vault import VaultEntry
    from tasks_lib.operations.infinite.manage import InfiniteSeeding
    from tasks_lib.operations.tasks.read import Task

out: Final = streams.out
err: Final = streams.err
_ERRORS_SHOWN: Final = 10


def print_json(document: object) -> None:
    """Print one JSON document; values of tasks are written exactly as they are stored."""
    streams.write([orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"])


def print_error(error: SeedingError, *, as_json: bool, hints: Sequence[str] = ()) -> None:
    """Print an error: sentences on stderr, and with ``as_json`` a document on stdout.

    If one of them cannot be written, the exit status is all that reports the error.
    """
    if as_json:
        with suppress(OSError):
            print_json({"error": {"code": error.code, "message": str(error)}})
    with suppress(OSError):
        err.print(Text.assemble(("error: ", "bold red"), str(error)))
        print_hints(hints)


def print_report(report: Report, pipeline: str) -> None:
    """Print the report of a seeding."""
    if report.is_rejection:
        err.print(Text(report.sentence, style="red"))
    else:
        out.print(Text.assemble((report.sentence, "green"), f" Pipeline: {pipeline}."))
    told = 1 if report.is_rejection else 0  # the sentence holds the reason of a rejection
    if report.rejected or len(report.errors) > told:
        print_problems(report.errors)
    print_rejects_uri(report.rejects_uri)


def print_rejects_uri(uri: str | None) -> None:
    """Print where the file of all rejected rows is, if there is one."""
    if uri is not None:
        out.print(f"Rejects file, with what is wrong with each row: {uri}")


def print_problems(errors: Sequence[ReportError]) -> None:
    """Print the first problems of a source as a table."""
    if not errors:
        return
    table = Table("row", "field", "code", "what is wrong", box=None, header_style="bold")
    for error in errors[:_ERRORS_SHOWN]:
        row = f"{error.row:,}" if error.row is not None else ""
        table.add_row(row, Text(error.field or ""), error.code, Text(error.message))
    out.print(table)
    more = len(errors) - _ERRORS_SHOWN
    if more > 0:
        out.print(f"... and {counted(more, 'more problem')}")


def print_plan(plan: Plan) -> None:
    """Print which column fills which field, and why."""
    table = Table("field", "source", "outcome", "why", "sample", "fails", box=None)
    for entry in plan.fields:
        sample = ", ".join(entry.sample.values) if entry.sample else ""
        fails = f"{entry.sample.failed} of {entry.sample.rows}" if entry.sample else ""
        table.add_row(
            Text(entry.field.name),
            Text(entry.source or ""),
            entry.shown_outcome,
            Text(entry.why),
            Text(shortened(sample) if sample else ""),
            fails,
        )
    out.print(table)
    if plan.unused:
        out.print("Not used: " + ", ".join(column.name for column in plan.unused), markup=False)


def print_datasets(entries: Sequence[VaultEntry]) -> None:
    """Print the datasets of an organization as a table."""
    table = Table("dataset", "from", "rows", "columns", box=None)
    for entry in entries:
        names = ", ".join(column.name for column in entry.columns)
        table.add_row(Text(entry.name), entry.source, f"{entry.row_count:,}", Text(names))
    out.print(table if entries else "This organization has no datasets yet.")


def print_dataset(entry: VaultEntry) -> None:
    """Print the columns, versions and first rows of a dataset."""
    out.print(f"{entry.name}: {counted(entry.row_count, 'row')}, from {entry.source}", markup=False)
    if entry.query is not None:
        key = ", ".join(entry.query.key_columns) or "all columns"
        out.print(Text(f"  {entry.query.connection}, by {key}: {entry.query.query}"))
    elif entry.key:
        out.print(f"  by {', '.join(entry.key)}", markup=False)
    for column in entry.columns:
        out.print(f"  {column.name} ({column.type.value})", markup=False)
    for version in entry.versions:
        changed = f", {version.changed_count:,} changed" if version.changed_count else ""
        removed = f", {version.removed_count:,} removed" if version.removed_count else ""
        rows = f"{counted(version.row_count, 'row')}{changed}{removed} from {version.source}"
        at = _moment(version.imported_at)
        out.print(f"version {version.version}: {rows}, {at}", markup=False)
    for row in entry.rows:
        out.print(Text(row))


def print_mappings(mappings: Sequence[SavedMapping]) -> None:
    """Print saved mappings as a table."""
    table = Table("mapping", "version", "saved", "source", "fills", box=None)
    for saved in mappings:
        table.add_row(
            Text(saved.name),
            str(saved.version),
            f"{saved.created_at:%Y-%m-%d %H:%M:%S} UTC",
            Text(saved.content.source),
            Text(", ".join(saved.content.mapping)),
        )
    out.print(table if mappings else "This pipeline has no saved mappings.")


def print_mapping(saved: SavedMapping) -> None:
    """Print a saved mapping: a line for each field, written as for --map and --skip."""
    out.print(f"{saved.title}, saved for {saved.content.source}", markup=False)
    for target, source in saved.content.mapping.items():
        out.print(Text(f"  {target}={source}"))
    for target in saved.content.skip:
        out.print(Text(f"  {target} (skipped)"))


def print_warnings(warnings: Sequence[str]) -> None:
    """Print warnings on stderr."""
    for warning in warnings:
        err.print(Text.assemble(("warning: ", "bold yellow"), warning))


def print_hints(hints: Sequence[str]) -> None:
    """Print what to do next on stderr."""
    for hint in hints:
        err.print(Text.assemble(("hint: ", "bold cyan"), hint))


def print_pipelines(pipelines: Sequence[CountedPipeline]) -> None:
    """Print pipelines as a table."""
    table = Table("pipeline", "path", "status", "tasks", "pending", "finished", box=None)
    for entry in pipelines:
        table.add_row(
            str(entry.pipeline.id),
            Text(entry.pipeline.path),
            entry.pipeline.status,
            f"{entry.total:,}",
            f"{entry.counts[TaskStatus.PENDING]:,}",
            f"{entry.counts[TaskStatus.FINISHED]:,}",
        )
    out.print(table if pipelines else "There are no pipelines yet.")


def print_pipeline(entry: CountedPipeline) -> None:
    """Print a pipeline, the number of its tasks by status, and its fields."""
    from tasks_lib.domain.catalogue import show_duration

    pipeline = entry.pipeline
    numbers = [f"{count:,} {status}" for status, count in entry.counts.items() if count]
    table = Table(box=None, show_header=False)
    table.add_row("pipeline", Text(f"{pipeline.id}, {pipeline.path}"))
    table.add_row("status", pipeline.status)
    table.add_row("tasks", ", ".join(numbers) or "none")
    timeout = pipeline.claim_timeout
    table.add_row("claim timeout", str(timedelta(seconds=timeout)) if timeout else "none")
    if pipeline.key:
        table.add_row("key", Text(", ".join(pipeline.key)))
        table.add_row("on change", pipeline.on_change)
        table.add_row("on missing", pipeline.on_missing)
    kept = pipeline.retention.by_status
    if kept:
        texts = (f"{status} {show_duration(seconds)}" for status, seconds in kept.items())
        table.add_row("retention", ", ".join(texts))
    out.print(table)
    fields = Table("field", "type", "source", "required", "limits", box=None)
    for field in pipeline.fields:
        limits = ", ".join(f"{name} {_shown(value)}" for name, value in field.constraints.items())
        fields.add_row(
            Text(field.name),
            field.type.value,
            field.source.value,
            "yes" if field.required else "no",
            Text(limits),
        )
    out.print(fields)


def spell_labels(labels: Mapping[str, str]) -> str:
    """Return labels as ``key=value, key=value``."""
    return ", ".join(f"{key}={value}" for key, value in labels.items())


def print_chains(chains: Sequence[Chain]) -> None:
    """Print chains as a table."""
    table = Table("chain", "from", "to", "on", "waiting", "last fired", box=None)
    for chain in chains:
        on = f"{chain.trigger}, paused" if chain.is_paused else chain.trigger
        fired = _moment(chain.fired_at) if chain.fired_at else "never"
        ends = Text(chain.source), Text(chain.target)
        table.add_row(str(chain.id), *ends, on, f"{chain.waiting:,}", fired)
    out.print(table if chains else "This organization has no chains yet.")


def print_chain(explained: ChainExplanation) -> None:
    """Print a chain, its waiting tasks, and the reasons why it has not fired."""
    chain = explained.chain
    table = Table(box=None, show_header=False)
    for name, value in [
        ("chain", f"{chain.id}, {chain.name}"),
        ("mapping", ", ".join(f"{field}={column}" for field, column in chain.mapping.items())),
        ("skip", ", ".join(chain.skip)),
        (
            "source tasks",
            ", ".join(f"{n:,} {name}" for name, n in explained.source_tasks.items() if n),
        ),
        ("waiting", f"{chain.waiting:,}, {chain.misfits:,} of them do not fit"),
        ("last checked", _moment(chain.looked_at) if chain.looked_at else "never"),
        ("last fired", _moment(chain.fired_at) if chain.fired_at else "never"),
        ("automation", chain.automation_id or "none"),
    ]:
        table.add_row(name, Text(value or "none"))
    out.print(table)
    for reason in explained.reasons:
        out.print(Text(f"  {reason}"))
    for unfit in explained.misfits[:_ERRORS_SHOWN]:
        out.print(Text(f"  task {unfit.task_id}: {unfit.code}: {unfit.message}"))


def print_checkups(checkups: Sequence[Mapping[str, Any]]) -> None:
    """Print the result of comparing chains with their automations."""
    for checkup in checkups:
        chain = checkup["chain"]
        oldest = chain["oldest_waiting_at"]
        since = f", the oldest since {_moment(oldest)}" if oldest is not None else ""
        out.print(Text(f"chain {chain['id']}, {chain['name']}"))
        out.print(f"  waiting: {chain['waiting']:,}{since}")
        out.print(Text(f"  last fired: {checkup['last_fired_at'] or 'never'}"))
        if checkup["last_failure"] is not None:
            out.print(Text(f"  last action failed: {checkup['last_failure']}"))
        repaired = ", repaired" if checkup["is_repaired"] else ""
        for finding in checkup["findings"] or ["its automation is as it should be"]:
            out.print(Text(f"  {finding}{repaired}"))
    if not checkups:
        out.print("There are no chains.")


def print_tasks(tasks: Sequence[Task]) -> None:
    """Print tasks as a table, their values shortened."""
    table = Table("task", "status", "group", "row", "fields", box=None)
    for task in tasks:
        fields = Text(task.fields, no_wrap=True, overflow="ellipsis")
        table.add_row(str(task.id), task.status, str(task.group_id), str(task.origin.row), fields)
    if not tasks:
        out.print("No tasks.")
        return
    out.print(table, soft_wrap=False, crop=False)


def print_infinite(seedings: Sequence[InfiniteSeeding]) -> None:
    """Print the status of infinite seedings as a table."""
    table = Table("pipeline", "state", "available", "total", "target", "made", "copies", box=None)
    for one in seedings:
        table.add_row(
            Text(one.pipeline),
            one.state.replace("_", " "),
            f"{one.available:,} of {one.keep_available:,}",
            f"{one.total:,}",
            f"{one.target:,}" if one.target is not None else "none",
            f"{one.made:,}",
            ", ".join(map(str, one.copy_groups)) or "nothing",
        )
    out.print(table)
    for one in seedings:
        if one.message is not None:
            out.print(Text(f"{one.pipeline}: {one.message}"))


def print_task(task: Task, links: Mapping[str, str]) -> None:
    """Print one task with all its values, links to its files and its moves."""
    table = Table(box=None, show_header=False)
    table.add_row("task", str(task.id))
    table.add_row("status", task.status)
    table.add_row("group", str(task.group_id))
    table.add_row("created", _moment(task.created_at))
    if task.claimed_by is not None and task.claimed_at is not None:
        until = f", until {_moment(task.claim_expires_at)}" if task.claim_expires_at else ""
        table.add_row("claimed", Text(f"{_moment(task.claimed_at)} by {task.claimed_by}{until}"))
    if task.finished_at is not None:
        table.add_row("finished", _moment(task.finished_at))
    version = f" version {task.origin.version}" if task.origin.version is not None else ""
    where = f"{task.origin.kind}, row {task.origin.row}, {task.origin.source}{version}"
    if task.origin.chain_id is not None:
        made_of = f"task {task.origin.row} of {task.origin.source}"
        where = f"chain {task.origin.chain_id}, {made_of}"
    if task.origin.kind is SeedKind.INFINITE and task.origin.source != BLANK:
        where = f"infinite, a copy of task {task.origin.row}"
    table.add_row("from", Text(where))
    out.print(table)
    for name, value in json.loads(task.fields).items():
        out.print(Text.assemble((f"  {name}: ", "bold"), _shown(value)))
        if name in links:
            out.print(Text(f"    {links[name]}"))
    for move in task.moves:
        by = f" by {move.by}" if move.by is not None else ""
        why = f": {move.reason}" if move.reason is not None else ""
        change = f"{move.move}{by}, {move.from_status} -> {move.to_status}{why}"
        out.print(Text(f"  {_moment(move.at)}  {change}"))


def print_keys(keys: Sequence[Key], at: datetime) -> None:
    """Print an organization's API keys as a table."""
    table = Table("key", "begins with", "name", "state", "expires", "last used", box=None)
    for key in keys:
        expires = _moment(key.expires_at) if key.expires_at else "never"
        used = _moment(key.last_used_at) if key.last_used_at else "never"
        table.add_row(str(key.id), key.prefix, Text(key.name), key.state(at), expires, used)
    out.print(table if keys else "This organization has no keys yet.")


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@contextmanager
def progress_bar(source: str) -> Iterator[OnProgress]:
    """Yield a function that updates a progress bar on stderr; the bar disappears on exit."""
    if not err.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bar(*columns, console=err, transient=True) as bar:
        task = bar.add_task(display_name(source), total=None)

        def update(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                description=f"{display_name(source)}: {progress.sentence}",
            )

        yield update
