"""How the command line speaks: tables and sentences for people, one JSON document for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tasks_lib.domain.mapping import Plan
from tasks_lib.domain.names import counted, display_name, shortened
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.errors import SeedingError
from tasks_lib.intake.progress import OnProgress, Progress
from tasks_lib.operations.api_keys import Key
from tasks_lib.operations.chains import Chain, Explained
from tasks_lib.operations.data_vault import VaultEntry
from tasks_lib.operations.infinite_seeding import InfiniteSeeding
from tasks_lib.operations.queries import Group, Task
from tasks_lib.operations.topping_up import BLANK
from tasks_lib.store.saved_mappings import SavedMapping
from tasks_lib.store.tasks import INFINITE

_ERRORS_SHOWN: Final = 10
out: Final = Console(highlight=False, soft_wrap=True)
err: Final = Console(highlight=False, soft_wrap=True, stderr=True)


def print_json(document: object) -> None:
    """Print one JSON document; task values go out to the letter, as they are stored."""
    out.file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
    out.file.flush()


def print_error(error: SeedingError, *, as_json: bool) -> None:
    """Print what went wrong: a sentence on stderr, and the JSON document if one is expected."""
    if as_json:
        print_json({"error": {"code": error.code, "message": str(error)}})
    err.print(Text.assemble(("error: ", "bold red"), str(error)))


def print_report(report: Report, pipeline: str) -> None:
    """Print a seeding's report for a person."""
    if report.is_rejection:
        err.print(Text(report.sentence, style="red"))
    else:
        out.print(Text.assemble((report.sentence, "green"), f" Pipeline: {pipeline}."))
    print_problems(report.errors)
    if report.rejects_uri is not None:
        out.print(f"Rejected rows, and what is wrong with each: {report.rejects_uri}")


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
            entry.outcome.value,
            Text(entry.why),
            Text(shortened(sample) if sample else ""),
            fails,
        )
    out.print(table)
    if plan.unused:
        out.print("Not used: " + ", ".join(column.name for column in plan.unused), markup=False)


def print_datasets(found: Sequence[VaultEntry]) -> None:
    """Print the datasets of an organization as a table."""
    table = Table("dataset", "from", "rows", "columns", box=None)
    for entry in found:
        names = ", ".join(column.name for column in entry.columns)
        table.add_row(Text(entry.name), entry.source, f"{entry.row_count:,}", Text(names))
    out.print(table if found else "This organization has no datasets yet.")


def print_dataset(entry: VaultEntry) -> None:
    """Print a dataset's columns, the imports that it comes from, and its first rows."""
    out.print(f"{entry.name}: {counted(entry.row_count, 'row')}, from {entry.source}", markup=False)
    if entry.query is not None:
        key = ", ".join(entry.query.key_columns) or "all columns"
        out.print(Text(f"  {entry.query.connection}, by {key}: {entry.query.query}"))
    for column in entry.columns:
        out.print(f"  {column.name} ({column.type.value})", markup=False)
    for version in entry.versions:
        told = f"{counted(version.row_count, 'row')} from {version.source}"
        at = _moment(version.imported_at)
        out.print(f"version {version.version}: {told}, {at}", markup=False)
    for row in entry.rows:
        out.print(Text(row))


def print_mappings(found: Sequence[SavedMapping]) -> None:
    """Print saved mappings as a table."""
    table = Table("mapping", "version", "saved", "source", "fills", box=None)
    for saved in found:
        table.add_row(
            Text(saved.name),
            str(saved.version),
            f"{saved.created_at:%Y-%m-%d %H:%M:%S} UTC",
            Text(saved.content.source),
            Text(", ".join(saved.content.mapping)),
        )
    out.print(table if found else "This pipeline has no saved mappings.")


def print_mapping(saved: SavedMapping) -> None:
    """Print a saved mapping: a line for each field, as --map and --skip would say it."""
    out.print(f"{saved.title}, saved for {saved.content.source}", markup=False)
    for target, source in saved.content.mapping.items():
        out.print(Text(f"  {target}={source}"))
    for target in saved.content.skip:
        out.print(Text(f"  {target} (skipped)"))


def print_warnings(warnings: Sequence[str]) -> None:
    """Print what a person should know of a seeding that went well, apart from its report."""
    for warning in warnings:
        err.print(Text.assemble(("warning: ", "bold yellow"), warning))


def print_groups(groups: Sequence[Group]) -> None:
    """Print task groups as a table."""
    table = Table("group", "from", "tasks", "rejected", "created", "source", box=None)
    for group in groups:
        table.add_row(
            str(group.id),
            group.kind,
            f"{group.tasks:,}",
            f"{group.rejected:,}",
            _moment(group.created_at),
            Text(group.source),
        )
    out.print(table if groups else "This pipeline has no task groups yet.")


def print_chains(found: Sequence[Chain]) -> None:
    """Print chains as a table."""
    table = Table("chain", "from", "to", "on", "waiting", "last fired", box=None)
    for chain in found:
        on = f"{chain.trigger}, paused" if chain.is_paused else chain.trigger
        fired = _moment(chain.fired_at) if chain.fired_at else "never"
        ends = Text(chain.source), Text(chain.target)
        table.add_row(str(chain.id), *ends, on, f"{chain.waiting:,}", fired)
    out.print(table if found else "This organization has no chains yet.")


def print_chain(told: Explained) -> None:
    """Print a chain, what waits for it, and what keeps it from firing."""
    chain = told.chain
    table = Table(box=None, show_header=False)
    for name, value in [
        ("chain", f"{chain.id}, {chain.name}"),
        ("mapping", ", ".join(f"{field}={column}" for field, column in chain.mapping.items())),
        ("skip", ", ".join(chain.skip)),
        ("source tasks", ", ".join(f"{n:,} {name}" for name, n in told.source_tasks.items() if n)),
        ("waiting", f"{chain.waiting:,}, {chain.misfits:,} of them do not fit"),
        ("last looked", _moment(chain.looked_at) if chain.looked_at else "never"),
        ("last fired", _moment(chain.fired_at) if chain.fired_at else "never"),
        ("automation", chain.automation_id or "none"),
    ]:
        table.add_row(name, Text(value or "none"))
    out.print(table)
    for reason in told.reasons:
        out.print(Text(f"  {reason}"))
    for misfit in told.misfits[:_ERRORS_SHOWN]:
        out.print(Text(f"  task {misfit.task_id}: {misfit.code}: {misfit.message}"))


def print_checkups(checkups: Sequence[Mapping[str, Any]]) -> None:
    """Print what was found of chains and their automations."""
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
    out.print(table, soft_wrap=False, width=out.width if out.is_terminal else 160)


def print_infinite(found: Sequence[InfiniteSeeding]) -> None:
    """Print how infinite seedings stand."""
    table = Table("pipeline", "state", "available", "total", "target", "made", "copies", box=None)
    for one in found:
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
    for one in found:
        if one.message is not None:
            out.print(Text(f"{one.pipeline}: {one.message}"))


def print_task(task: Task, links: Mapping[str, str]) -> None:
    """Print one task with all its values, and what opens its files."""
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
    if task.origin.kind == INFINITE and task.origin.source != BLANK:
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
        told = f"{move.move}{by}, {move.from_status} -> {move.to_status}{why}"
        out.print(Text(f"  {_moment(move.at)}  {told}"))


def whole_task_document(task: Task, links: Mapping[str, str]) -> dict[str, Any]:
    """Return a task with its moves and what opens its files, as a JSON document."""
    moves = [move._asdict() for move in task.moves]
    return task_document(task) | {"moves": moves, "links": links}


def print_keys(keys: Sequence[Key], at: datetime) -> None:
    """Print an organization's keys as a table."""
    table = Table("key", "begins with", "name", "state", "expires", "last used", box=None)
    for key in keys:
        expires = _moment(key.expires_at) if key.expires_at else "never"
        used = _moment(key.last_used_at) if key.last_used_at else "never"
        table.add_row(str(key.id), key.prefix, Text(key.name), key.state(at), expires, used)
    out.print(table if keys else "This organization has no keys yet.")


def key_document(key: Key, at: datetime) -> dict[str, Any]:
    """Return a key's entry as the JSON document that programs get."""
    return key._asdict() | {"state": key.state(at)}


def task_document(task: Task) -> dict[str, Any]:
    """Return a task as the JSON document that programs get."""
    document = task._asdict()
    del document["moves"]
    document["fields"] = orjson.Fragment(task.fields)
    origin = task.origin._asdict()
    document["origin"] = {name: value for name, value in origin.items() if value is not None}
    return document


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@contextmanager
def progress_bar(source: str) -> Iterator[OnProgress]:
    """Yield a function that draws a bar on stderr while a load goes on; it leaves no trace."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bar(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(display_name(source), total=None)

        def update(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                description=f"{display_name(source)}: {progress.sentence}",
            )

        yield update
