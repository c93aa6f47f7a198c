"""Arguments and options that several commands share."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token


def _whole_number(_: Any, tokens: Sequence[Token]) -> int:
    """Read a whole number; Cyclopts would round 1.5 to 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is not a whole number") from None


PipelineArgument = Annotated[
    str, Parameter(help="The pipeline's number, or organization/project/pipeline.")
]
Json = Annotated[
    bool, Parameter(name="--json", negative=(), help="Print one JSON document on stdout.")
]
Flag: Final = Parameter(negative=())
WholeNumber = Annotated[int, Parameter(converter=_whole_number)]
