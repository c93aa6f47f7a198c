"""The commands ``groups ...``: list, show, await and undo a pipeline's groups."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import App, Parameter

from tasks_lib.cli.optional_prefect import announce
from tasks_lib.cli.options.arguments import WORK, Flag, Json, PipelineArgument, WholeNumber
from tasks_lib.cli.options.consent import Yes, confirm, system_user
from tasks_lib.cli.options.paging import After, Limit, cut_page
from tasks_lib.cli.output import console
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.statuses import GroupState, TaskStatus

if TYPE_CHECKING:
    from tasks_lib.operations.groups.read import CountedGroup
    from tasks_lib.operations.groups.undo import UndoReport

groups = App(name="groups", help="List and show groups, wait for them, and undo them.", group=WORK)

_TASKS_SHOWN: Final = 10

Timeout = Annotated[float | None, Parameter(name="--timeout")]
GroupArgument = Annotated[WholeNumber, Parameter(help="The group's number.")]


@groups.command(name="list")
def list_groups(
    pipeline: PipelineArgument,
    /,
    *,
    limit: Limit = None,
    after: After = "",
    json: Json = False,
) -> None:
    """List a pipeline's groups with the number of their tasks by status, oldest first."""
    from tasks_lib.operations.groups import read

    with configured_workspace() as workspace:
        listed = read.list_groups(workspace.store, pipeline)
        page = cut_page(listed, lambda group: group.id, after=after, limit=limit)
        entries = read.count_groups(workspace.store, page.entries)
    if json:
        console.print_json([group_document(entry) for entry in entries])
    else:
        print_groups(entries)
    page.print_rest()


@groups.command
def show(group: GroupArgument, /, *, json: Json = False) -> None:
    """Show a group: its source, its state, and the number of its tasks by status."""
    from tasks_lib.operations.groups import read

    with configured_workspace() as workspace:
        counted = read.find_group(workspace.store, group)
    if json:
        console.print_json(group_document(counted))
    else:
        print_group(counted)


@groups.command
def wait(
    group: GroupArgument,
    /,
    *,
    timeout: Timeout = None,
    json: Json = False,
) -> None:
    """Wait until all tasks of a group are finished or withdrawn, and show it.

    The exit status is 1 if the time is over or the group is undone.

    Parameters
    ----------
    timeout
        How many seconds to wait. By default, as long as it takes.
    """
    from tasks_lib.operations.waiting.in_place import wait_in_place

    with configured_workspace() as workspace, console.progress_bar(f"group {group}") as progress:
        seen = wait_in_place(workspace.store, [group], timeout=timeout, on_progress=progress)
    (counted,) = seen.groups
    if not seen.is_finished:
        raise seen.timed_out(timedelta(seconds=timeout or 0))
    if json:
        console.print_json(group_document(counted))
    else:
        print_group(counted)


@groups.command
def undo(
    group: GroupArgument,
    /,
    *,
    flows_again: Flag = False,
    dry_run: Flag = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove a group's tasks on which nobody has worked; keep and list the others.

    The group stays as a record, and its content can be seeded again.

    Parameters
    ----------
    flows_again
        Let the rows or tasks that a dataset, a pipeline or a chain has put into the group become
        tasks again.
    dry_run
        Only show how many tasks would be removed and kept.
    """
    from tasks_lib.operations.groups.undo import rehearse_undo, undo_group

    with configured_workspace() as workspace:
        if dry_run:
            report = rehearse_undo(workspace.store, group)
        else:
            if not yes:
                confirm(f"{rehearse_undo(workspace.store, group).sentence} Undo it?", yes=yes)
            report = undo_group(
                workspace.store,
                group,
                by=system_user(),
                at=workspace.store.now(),
                flows_again=flows_again,
            )
            announce(workspace)
    if json:
        console.print_json(undo_document(report))
    else:
        print_undo(report)


def group_document(counted: "CountedGroup") -> dict[str, Any]:
    """Return a group with its counts as a JSON document."""
    counts = {status.value: count for status, count in counted.counts.items()}
    return counted.group._asdict() | {"task_counts": counts}


def print_groups(entries: "Sequence[CountedGroup]") -> None:
    """Print groups as a table; columns in which nothing would be written are left out."""
    from rich.table import Table
    from rich.text import Text

    groups = [entry.group for entry in entries]
    statuses = [status for status in TaskStatus if any(entry.counts[status] for entry in entries)]
    shows_state = any(group.state is not GroupState.CREATED for group in groups)
    shows_name = any(group.name is not None for group in groups)
    shows_labels = any(group.labels for group in groups)
    states = ("state",) if shows_state else ()
    names = (("name",) if shows_name else ()) + (("labels",) if shows_labels else ())
    columns = ("group", "from", "tasks", *statuses, "rejected", "created", *states, *names)
    table = Table(*columns, "source", box=None)
    for group, counts in entries:
        table.add_row(
            str(group.id),
            group.kind,
            f"{group.tasks:,}",
            *(f"{counts[status]:,}" for status in statuses),
            f"{group.rejected:,}",
            _moment(group.created_at),
            *((group.state.value,) if shows_state else ()),
            *((Text(group.name or ""),) if shows_name else ()),
            *((Text(console.spell_labels(group.labels)),) if shows_labels else ()),
            Text(group.source),
        )
    console.out.print(table if entries else "This pipeline has no task groups yet.")


def print_group(counted: "CountedGroup") -> None:
    """Print a group, its state, and the number of its tasks by status."""
    from rich.table import Table
    from rich.text import Text

    group = counted.group
    numbers = [f"{count:,} {status}" for status, count in counted.counts.items() if count]
    table = Table(box=None, show_header=False)
    table.add_row("group", str(group.id))
    if group.name is not None:
        table.add_row("name", Text(group.name))
    if group.labels:
        table.add_row("labels", Text(console.spell_labels(group.labels)))
    table.add_row("pipeline", str(group.pipeline_id))
    table.add_row("from", Text(f"{group.kind}, {group.source}"))
    table.add_row("created", _moment(group.created_at))
    table.add_row("tasks", ", ".join(numbers) or "none")
    if group.finished_at is not None:
        table.add_row("finished", _moment(group.finished_at))
    table.add_row("rejected", f"{group.rejected:,}")
    if group.state is not GroupState.CREATED:
        when = f", {_moment(group.undone_at)}" if group.undone_at is not None else ""
        table.add_row("state", Text(f"{group.state} by {group.undone_by}{when}"))
        table.add_row("removed", f"{group.removed:,}")
    if group.expired:
        table.add_row("deleted after their retention", f"{group.expired:,}")
    console.out.print(table)


def undo_document(report: "UndoReport") -> dict[str, Any]:
    """Return the report of an undo as a JSON document."""
    return report._asdict() | {"kept_tasks": [kept._asdict() for kept in report.kept_tasks]}


def print_undo(report: "UndoReport") -> None:
    """Print the report of an undo, and the first tasks that were kept."""
    console.out.print(report.sentence, markup=False)
    for kept in report.kept_tasks[:_TASKS_SHOWN]:
        console.out.print(f"  task {kept.task_id}: {kept.status}", markup=False)
    if report.kept > _TASKS_SHOWN:
        console.out.print(f"  and {report.kept - _TASKS_SHOWN:,} more", markup=False)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
