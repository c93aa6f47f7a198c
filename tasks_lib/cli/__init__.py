"""The command ``seeding``. Each command reads the settings, calls an operation, and prints."""

import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError

from tasks_lib import console
from tasks_lib.cli.api import api, key
from tasks_lib.cli.catalogue import apply_file, template
from tasks_lib.cli.chains import chain
from tasks_lib.cli.datasets import dataset
from tasks_lib.cli.infinite import infinite
from tasks_lib.cli.mappings import mapping
from tasks_lib.cli.seed import seed
from tasks_lib.cli.tasks import groups, tasks
from tasks_lib.cli.upkeep import catch_up, db
from tasks_lib.domain.report import SourceRejectedError
from tasks_lib.errors import SeedingError, UsageError
from tasks_lib.operations.import_dataset import ImportRejectedError
from tasks_lib.operations.query_datasets import RefreshRejectedError

app = App(
    name="seeding",
    help="Create work for people in bulk: files become tasks, exactly once.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command(apply_file, name="apply")
app.command(template)
app.command(seed)
app.command(groups)
app.command(tasks)
app.command(catch_up, name="reconcile")
app.command(dataset)
app.command(mapping)
app.command(chain)
app.command(infinite)
app.command(key)
app.command(api)
app.command(db)


_REPORTED: Final = (SourceRejectedError, ImportRejectedError, RefreshRejectedError)
"""Errors whose report has been printed by the time that they come here."""


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; return 0 done, 1 rejected, 2 usage, 3 store, storage or Prefect away.

    130 after Ctrl-C, as shells have it.
    """
    as_json = "--json" in arguments
    try:
        app(list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        usage = UsageError(" ".join(str(error).split()))
        console.print_error(usage, as_json=as_json)
        return usage.exit_status
    except _REPORTED as error:
        return error.exit_status
    except SeedingError as error:
        console.print_error(error, as_json=as_json)
        return error.exit_status
    except KeyboardInterrupt:
        console.err.print("interrupted; run it again to finish: nothing is created twice")
        return 130
    return 0
