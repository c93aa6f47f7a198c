"""The command ``seeding``: each command reads the settings, calls an operation and prints."""

import errno
import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError, UnknownCommandError

from tasks_lib import __version__
from tasks_lib.cli import console
from tasks_lib.cli.advice import advice_on_error
from tasks_lib.cli.api import api, key
from tasks_lib.cli.arguments import API, CREATE_TASKS, EVERY_OPTION, MAINTAIN, OPTIONS, WORK
from tasks_lib.cli.catalogue import apply_file, template
from tasks_lib.cli.chains import AutomationsWrongError, chain
from tasks_lib.cli.datasets import dataset
from tasks_lib.cli.deploy import deploy_all
from tasks_lib.cli.deprecated import replace_old_spellings
from tasks_lib.cli.example_files import copy_examples
from tasks_lib.cli.examples import add_examples
from tasks_lib.cli.infinite import infinite
from tasks_lib.cli.mappings import mapping
from tasks_lib.cli.pipelines import pipeline
from tasks_lib.cli.seed import seed
from tasks_lib.cli.tasks import groups, tasks
from tasks_lib.cli.upkeep import db, reconcile
from tasks_lib.domain.report import SourceRejectedError
from tasks_lib.errors import SeedingError, UnavailableError, UsageError
from tasks_lib.operations.datasets.import_dataset import ImportRejectedError
from tasks_lib.operations.datasets.query_datasets import RefreshRejectedError

app = App(
    name="seeding",
    help="Create tasks for people from files, datasets and finished tasks, each exactly once.",
    default_parameter=EVERY_OPTION,
    version=__version__,
    version_flags=["--version", "-V"],
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command(copy_examples, name="examples", group=CREATE_TASKS)
app.command(apply_file, name="apply", group=CREATE_TASKS)
app.command(pipeline)
app.command(template, group=CREATE_TASKS)
app.command(seed)
app.command(dataset)
app.command(mapping)
app.command(chain)
app.command(infinite)
app.command(groups, group=WORK)
app.command(tasks)
app.command(api, group=API)
app.command(key)
app.command(reconcile, group=MAINTAIN)
app.command(db)
app.command(deploy_all, name="deploy", group=MAINTAIN)
add_examples(app)
app.register_install_completion_command(
    help="Install completion for your shell: bash, zsh or fish."
)
for option in ("--help", "--version", "--install-completion"):
    app[option].group = (OPTIONS,)


_REPORTED: Final = (
    AutomationsWrongError,
    SourceRejectedError,
    ImportRejectedError,
    RefreshRejectedError,
)
"""Errors whose report the command has printed already."""

_DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status.

    0: done. 1: rejected by validation. 2: wrong usage. 3: the store, the storage or Prefect cannot
    be reached. 130: interrupted by Ctrl-C.
    """
    as_json = "--json" in arguments
    try:
        app(_tokens(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        usage = UsageError(_sentence(error))
        console.print_error(usage, as_json=as_json)
        return usage.exit_status
    except _REPORTED as error:
        return error.exit_status
    except SeedingError as error:
        console.print_error(error, as_json=as_json)
        console.print_hints(advice_on_error(error))
        return error.exit_status
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        unavailable = UnavailableError(f"the disk is full: {error}; free some space")
        console.print_error(unavailable, as_json=False)
        return unavailable.exit_status
    except KeyboardInterrupt:
        console.err.print("interrupted; run it again to finish: nothing is created twice")
        return 130
    return 0


def _tokens(arguments: Sequence[str]) -> list[str]:
    """Return the arguments as the commands know them; ``help`` and ``version`` are options too."""
    match list(arguments):
        case ["version"]:
            return ["--version"]
        case ["help", *command]:
            return [*command, "--help"]
    return replace_old_spellings(arguments)


def _sentence(error: CycloptsError) -> str:
    """Return the error on one line; of an unknown command with all commands, not the first few."""
    sentence = " ".join(str(error).split())
    if not isinstance(error, UnknownCommandError) or error.app is None:
        return sentence
    reason, available, _ = sentence.partition(" Available commands: ")
    names = ", ".join(name for name in error.app if not name.startswith("-"))
    return f"{reason}{available}{names}."
