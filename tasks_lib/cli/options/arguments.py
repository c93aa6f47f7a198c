"""Arguments, options and help groups that several commands share."""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Group, Parameter, Token

from tasks_lib.domain.names import STANDARD_INPUT


def _whole_number(_: Any, tokens: Sequence[Token]) -> int:
    """Read a whole number; Cyclopts would round 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a whole number") from None


def _source(_: Any, tokens: Sequence[Token]) -> str:
    """Read a source; of the words that begin with a hyphen, only the hyphen itself is one."""
    source = tokens[0].value
    if source.startswith("-") and source != STANDARD_INPUT:
        raise ValueError(f"{source} is no option of this command, and no source")
    return source


def _output(_: Any, tokens: Sequence[Token]) -> Path:
    """Read the path of a file to write; a URL would become a strange path."""
    name = tokens[0].value
    if "://" in name:
        raise ValueError(f"{name} is a URL; give the path of a file on this machine")
    return Path(name)


def _shown_default(default: Any) -> str | None:
    """Return how the help shows a default; None hides it, as for flags and empty values."""
    if default is None or default is False or default in {"", ()}:
        return None
    return str(default.value) if isinstance(default, Enum) else str(default)


EVERY_OPTION: Final = Parameter(show_default=_shown_default)
"""The defaults of all options."""

PipelineArgument = Annotated[
    str, Parameter(help="The pipeline's number, or its path organization/project/pipeline.")
]
SourceArgument = Annotated[str, Parameter(allow_leading_hyphen=True, converter=_source)]
"""A path, a URL, or ``-`` for standard input."""

OutputFile = Annotated[Path | None, Parameter(name=["--output", "-o"], converter=_output)]
OrganizationArgument = Annotated[str, Parameter(help="The organization's name.")]
Flag = Annotated[bool, Parameter(negative=())]
"""An option without a value, and without a ``--no-…`` form."""

Json = Annotated[
    bool, Parameter(name="--json", negative=(), help="Print one JSON document on stdout.")
]
WholeNumber = Annotated[int, Parameter(converter=_whole_number)]

MaxRejected = Annotated[
    str,
    Parameter(
        help="With --on-error skip-rows, the most rows to reject, as N or P%; if there are more, "
        "nothing is created. By default, any number.",
    ),
]

CREATE_TASKS: Final = Group.create_ordered("Create tasks")
DATA: Final = Group.create_ordered("Datasets and mappings")
AUTOMATE: Final = Group.create_ordered("Automate")
WORK: Final = Group.create_ordered("Work on tasks")
API: Final = Group.create_ordered("HTTP API")
MAINTAIN: Final = Group.create_ordered("Maintain")
OPTIONS: Final = Group.create_ordered("Options")
