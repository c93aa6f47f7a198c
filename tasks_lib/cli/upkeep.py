"""The commands ``reconcile`` and ``db ...``: keep an installation up to date."""

from cyclopts import App

from tasks_lib.cli.optional_prefect import (
    event_publisher,
    follow_switches,
    upload_processor,
    waiting_runs,
)
from tasks_lib.cli.options.arguments import MAINTAIN, Json
from tasks_lib.cli.output import console

db = App(name="db", help="Manage the database.", group=MAINTAIN)


def reconcile(*, json: Json = False) -> None:
    """Catch up on pending work, and remove files that no task needs.

    Releases expired claims, tops up infinite seedings, fires chains, processes uploads, publishes
    pending events and deletes old tasks. A deployment of the same name repeats it all the time.
    """
    from tasks_lib.operations.upkeep import reconcile as upkeep
    from tasks_lib.operations.workspace import open_workspace
    from tasks_lib.settings import read_settings

    settings = read_settings()
    with open_workspace(settings, creates_store=False) as workspace:
        follow_switches(workspace)
        reconciled = upkeep.reconcile(
            workspace,
            event_publisher(),
            waiting_runs(),
            process=upload_processor(settings.api_executor),
            now=workspace.store.now(),
            grace=settings.unused_file_grace,
        )
    if json:
        console.print_json(reconciled._asdict())
    else:
        console.out.print(reconciled.sentence)


@db.command
def upgrade(*, json: Json = False) -> None:
    """Upgrade the database to the schema of this release, if it is older."""
    from tasks_lib.operations.upkeep.upgrade_database import upgrade_database
    from tasks_lib.settings import read_settings

    upgraded = upgrade_database(read_settings())
    if json:
        console.print_json(upgraded._asdict())
    else:
        console.out.print(upgraded.sentence)
