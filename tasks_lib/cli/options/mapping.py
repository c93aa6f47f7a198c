"""The options ``--map`` and ``--skip``: how fields are filled from columns."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from tasks_lib.errors import UsageError

Mapping = Annotated[
    tuple[str, ...],
    Parameter(
        name="--map",
        negative=(),
        help="Fill a field: field=column, or field=column:jsonpath; repeat for several. Other "
        "fields are filled by columns of the same name.",
    ),
]
Skipped = Annotated[
    tuple[str, ...],
    Parameter(name="--skip", negative=(), help="A field to leave empty; repeat for several."),
]


def read_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """Return ``field=column`` pairs as a mapping; raise UsageError.

    Pairs are split at the first equals sign, so a field's name cannot hold one here.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        target, separator, source = pair.partition("=")
        if not separator or not target or not source:
            raise UsageError(f"--map {pair!r} is not field=column or field=column:jsonpath")
        if target in mapping:
            raise UsageError(f"--map names the field {target!r} twice")
        mapping[target] = source
    return mapping
