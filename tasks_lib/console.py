"""How the command line speaks: tables and sentences for people, one JSON document for programs."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tasks_lib.domain.names import counted, display_name
from tasks_lib.domain.report import Report
from tasks_lib.errors import SeedingError
from tasks_lib.intake.csv_intake import OnProgress, Progress
from tasks_lib.operations.queries import Group, Task

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
    if report.errors:
        out.print(_errors_table(report))
        more = len(report.errors) - _ERRORS_SHOWN
        if more > 0:
            out.print(f"... and {counted(more, 'more problem')}")
    if report.rejects_uri is not None:
        out.print(f"Rejected rows, to be corrected and seeded as they are: {report.rejects_uri}")


def _errors_table(report: Report) -> Table:
    table = Table("row", "field", "code", "what is wrong", box=None, header_style="bold")
    for error in report.errors[:_ERRORS_SHOWN]:
        row = f"{error.row:,}" if error.row is not None else ""
        table.add_row(row, Text(error.field or ""), error.code, Text(error.message))
    return table


def print_groups(groups: Sequence[Group]) -> None:
    """Print task groups as a table."""
    table = Table("group", "from", "tasks", "rejected", "created", "source", box=None)
    for group in groups:
        table.add_row(
            str(group.id),
            group.kind,
            f"{group.tasks:,}",
            f"{group.rejected:,}",
            f"{group.created_at:%Y-%m-%d %H:%M:%S} UTC",
            Text(group.source),
        )
    out.print(table if groups else "This pipeline has no task groups yet.")


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


def print_task(task: Task) -> None:
    """Print one task with all its values."""
    table = Table(box=None, show_header=False)
    table.add_row("task", str(task.id))
    table.add_row("status", task.status)
    table.add_row("group", str(task.group_id))
    table.add_row("created", f"{task.created_at:%Y-%m-%d %H:%M:%S} UTC")
    table.add_row("from", Text(f"{task.origin.kind}, row {task.origin.row}, {task.origin.source}"))
    out.print(table)
    for name, value in json.loads(task.fields).items():
        out.print(Text.assemble((f"  {name}: ", "bold"), _shown(value)))


def task_document(task: Task) -> dict[str, Any]:
    """Return a task as the JSON document that programs get."""
    document = task._asdict()
    document["fields"] = orjson.Fragment(task.fields)
    document["origin"] = task.origin._asdict()
    return document


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
                completed=progress.bytes_read,
                total=progress.bytes_total,
                description=f"{display_name(source)}: {counted(progress.rows, 'row')}",
            )

        yield update
