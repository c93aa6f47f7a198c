"""Arguments and options that several commands share."""

from typing import Annotated, Final

from cyclopts import Parameter

PipelineArgument = Annotated[
    str, Parameter(help="The pipeline's number, or organization/project/pipeline.")
]
Json = Annotated[
    bool, Parameter(name="--json", negative=(), help="Print one JSON document on stdout.")
]
Flag: Final = Parameter(negative=())
