"""The command ``seeding``: each command reads the settings, calls an operation and prints."""

import gc
import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError, UnknownCommandError, UnusedCliTokensError

from tasks_lib import __version__
from tasks_lib.cli.deprecated import replace_old_spellings
from tasks_lib.cli.examples import add_examples
from tasks_lib.cli.options.arguments import API, CREATE_TASKS, EVERY_OPTION, MAINTAIN, OPTIONS
from tasks_lib.cli.output import console
from tasks_lib.cli.output.advice import advice_on_error
from tasks_lib.cli.output.printed import PrintedError
from tasks_lib.cli.output.streams import HelpOutput, disk_full, is_disk_full, set_encodings
from tasks_lib.errors import SeedingError, UsageError

app = App(
    name="seeding",
    help="Create tasks for people from files, datasets and finished tasks, each exactly once.",
    default_parameter=EVERY_OPTION,
    version=__version__,
    version_flags=["--version", "-V"],
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    console=HelpOutput(),
)
# A command's module is loaded when the command runs, and all of them for the help.
app.command("tasks_lib.cli.example_files:copy_examples", name="examples", group=CREATE_TASKS)
app.command("tasks_lib.cli.catalogue:apply_file", name="apply", group=CREATE_TASKS)
app.command("tasks_lib.cli.pipelines:pipeline")
app.command("tasks_lib.cli.catalogue:template", group=CREATE_TASKS)
app.command("tasks_lib.cli.seed.commands:seed")
app.command("tasks_lib.cli.rejects:write_rejects", name="rejects", group=CREATE_TASKS)
app.command("tasks_lib.cli.datasets:dataset")
app.command("tasks_lib.cli.mappings:mapping")
app.command("tasks_lib.cli.chains:chain")
app.command("tasks_lib.cli.infinite:infinite")
app.command("tasks_lib.cli.groups:groups")
app.command("tasks_lib.cli.tasks:tasks")
app.command("tasks_lib.cli.results:results")
app.command("tasks_lib.cli.api:api", group=API)
app.command("tasks_lib.cli.api:key")
app.command("tasks_lib.cli.audit:audit", group=MAINTAIN)
app.command("tasks_lib.cli.erase:erase")
app.command("tasks_lib.cli.upkeep:reconcile", group=MAINTAIN)
app.command("tasks_lib.cli.upkeep:db")
app.command("tasks_lib.cli.deploy:deploy_all", name="deploy", group=MAINTAIN)
app.command(
    "tasks_lib.cli.completion:install",
    name="--install-completion",
    group=OPTIONS,
    help="Install completion for your shell: bash, zsh or fish.",
)
for option in ("--help", "--version"):
    app[option].group = (OPTIONS,)

_NEED_ALL_COMMANDS: Final = frozenset({"--help", "-h", "--install-completion"})
_COLLECTED_OBJECTS: Final = 200_000


def main() -> None:
    """Run the command line and exit with its status.

    Garbage collection looks at all loaded modules, which are not garbage: it took a third of the
    time of a short command, most of it at the end of the process.
    """
    gc.set_threshold(_COLLECTED_OBJECTS)
    set_encodings()
    status = run(sys.argv[1:])
    gc.freeze()  # the collection at the end has nothing to look at
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status.

    0: done. 1: rejected by validation. 2: wrong usage. 3: the store, the storage or Prefect cannot
    be reached. 130: interrupted by Ctrl-C.
    """
    as_json = "--json" in arguments
    tokens = _tokens(arguments)
    if not tokens or not _NEED_ALL_COMMANDS.isdisjoint(tokens):
        add_examples(app)
    try:
        app(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        usage = UsageError(_sentence(error))
        console.print_error(usage, as_json=as_json)
        return usage.exit_status
    except PrintedError as error:
        return error.status
    except SeedingError as error:
        console.print_error(error, as_json=as_json, hints=advice_on_error(error))
        return error.exit_status
    except OSError as error:
        if not is_disk_full(error):
            raise
        unavailable = disk_full(error)
        console.print_error(unavailable, as_json=as_json)
        return unavailable.exit_status
    except KeyboardInterrupt:
        message = "interrupted; run it again to finish: nothing is created twice"
        if as_json:
            console.print_json({"error": {"code": "interrupted", "message": message}})
        console.err.print(message)
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
    if isinstance(error, UnusedCliTokensError):
        tokens = error.unused_tokens or []
        return f"Unexpected argument{'s'[: len(tokens) - 1]}: {', '.join(tokens)}."
    if not isinstance(error, UnknownCommandError) or error.app is None:
        return sentence
    names = ", ".join(name for name in error.app if not name.startswith("-"))
    word = (error.unused_tokens or [""])[0]
    if word.startswith("-"):
        return f"Unknown option: {word}. Options follow a command: {names}."
    reason, available, _ = sentence.partition(" Available commands: ")
    return f"{reason}{available}{names}."
