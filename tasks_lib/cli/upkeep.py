"""Commands that look after the installation."""

from datetime import UTC, datetime

from cyclopts import App

from tasks_lib import console
from tasks_lib.cli.arguments import Json
from tasks_lib.cli.prefect_server import follow_switches, processor, teller
from tasks_lib.operations.reconcile import reconcile
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.store.engine import Store

db = App(name="db", help="Look after the store.")


def catch_up(*, json: Json = False) -> None:
    """Release expired claims, fire chains, clean up stored files, and tell Prefect the news."""
    settings = read_settings()
    with open_workspace(settings) as workspace:
        follow_switches(workspace.store)
        reconciled = reconcile(
            workspace,
            teller(),
            process=processor(settings.api_executor),
            now=datetime.now(UTC),
            grace=settings.unused_file_grace,
        )
    if json:
        console.print_json(reconciled._asdict())
    else:
        console.out.print(reconciled.sentence)


@db.command
def upgrade(*, json: Json = False) -> None:
    """Bring the store to this release's revision; nothing happens when it is there."""
    settings = read_settings()
    store = Store.open_any(
        settings.database_url, busy_timeout_seconds=settings.busy_timeout_seconds
    )
    before = store.revision()
    store.upgrade()
    after = store.revision()
    store.close()
    if json:
        console.print_json({"before": before, "after": after})
    else:
        console.out.print(f"The store is at revision {after} (was: {before or 'not there'}).")
