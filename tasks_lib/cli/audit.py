"""The command ``audit``: who did what, and when."""

from typing import Any

from tasks_lib.cli.options.arguments import Json, WholeNumber
from tasks_lib.cli.output import console
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.audit import AuditEntry


def audit(
    organization: str | None = None,
    /,
    *,
    limit: WholeNumber = 50,
    after: WholeNumber | None = None,
    json: Json = False,
) -> None:
    """List who did what and when, newest first.

    Recorded are applied catalogues, API keys, chains, saved mappings, undone groups, withdrawn
    tasks, and everything that was deleted or erased.

    Parameters
    ----------
    organization
        List only the acts in this organization.
    limit
        The number of acts to list at most.
    after
        Continue after this act: the number that the page before has printed.
    """
    from tasks_lib.operations.audit.read import list_entries

    with configured_workspace() as workspace:
        page = list_entries(workspace.store, organization, before=after, limit=limit)
    if json:
        console.print_json([entry._asdict() for entry in page.entries])
    elif page.entries:
        _print_table(page.entries)
    else:
        console.out.print("Nothing was recorded yet.")
    if page.next is not None:
        console.print_hints([f"list older acts with: --after {page.next}"])


def _print_table(entries: list[AuditEntry]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("at", "by", "action", "what", box=None)
    for entry in entries:
        what = entry.subject + _facts(entry.details.items())
        table.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S} UTC", Text(entry.by), entry.action.value, Text(what)
        )
    console.out.print(table)


def _facts(details: Any) -> str:
    shown = [f"{name}: {_short(value)}" for name, value in details if value not in (None, {}, [])]
    return f" ({'; '.join(shown)})" if shown else ""


def _short(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    return str(value)
