"""The options ``--name`` and ``--label``: the name and the labels of a group."""

from typing import Annotated

from cyclopts import Parameter

GroupName = Annotated[str, Parameter(help="A name for the group of tasks.")]
Labels = Annotated[
    tuple[str, ...],
    Parameter(
        name="--label",
        negative=(),
        help="A label of the group: KEY=VALUE; repeat for several.",
    ),
]
