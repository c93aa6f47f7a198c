"""Ask before something is destroyed, and name the person who acts at the command line."""

import getpass
import sys
from typing import Annotated

from cyclopts import Parameter

from tasks_lib.cli.options.arguments import Flag
from tasks_lib.cli.output import console
from tasks_lib.errors import UsageError

Yes = Annotated[Flag, Parameter(help="Do not ask for confirmation.")]


def confirm(question: str, *, yes: bool) -> None:
    """Return if the person agrees, or said so with --yes; raise UsageError otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody can answer here: to agree, pass --yes")
    console.err.print(f"{question} [y/N] ", end="", markup=False, highlight=False)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("not confirmed; nothing was changed")


def system_user() -> str:
    """Return the name under which this process runs, for the record of who did what."""
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # a container's user without an entry
        return "unknown"
