"""Submissions: the values that a contributor fills in."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from tasks_lib.domain.fields import Field, FieldSource
from tasks_lib.domain.mapping.conversions import spell_value
from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.domain.rows.json_rows import json_text
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.domain.values.readers import reader_of
from tasks_lib.errors import Problem

MAX_UNKNOWN: Final = 20
"""So many unknown fields are named."""


class Submission(NamedTuple):
    """The JSON object to store, in the order of the pipeline's fields; or its problems."""

    filled_in: str
    problems: tuple[Problem, ...] = ()


class GivenValues(Protocol):
    """The values of a submission, which are spelled as cells one by one."""

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the fields that have a value."""
        ...

    def __contains__(self, name: object) -> bool:
        """Tell whether a field has a value."""
        ...

    def spell(self, field: Field) -> str:
        """Return the cell of a field, as ``spell_value`` does; raise ValueProblemError."""
        ...


class ParsedValues:
    """Values as ``parse_value`` reads them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def spell(self, field: Field) -> str:
        """Return the cell of a field."""
        return spell_value(self._values.get(field.name), field)


def read_submission(
    fields: Sequence[Field], predefined: Collection[str], given: GivenValues
) -> Submission:
    """Check the values of a submission by the same rules as those of a CSV.

    Required input fields must be given unless
    they are ``predefined``. A dataset field that the seeding skipped may be given, too.
    """
    names = [field.name for field in fields]
    unknown = (name for name in given if name not in names)
    problems = [_unknown(name, names) for name in islice(unknown, MAX_UNKNOWN)]
    problems += [_read_only(name) for name in names if name in given and name in predefined]
    members: dict[str, str] = {}
    for field in fields:
        is_asked = field.source is FieldSource.INPUT or field.name in given
        if field.name in predefined or not is_asked:
            continue
        try:
            members[field.name] = _read(field, given)
        except ValueProblemError as problem:
            problems.append(Problem(problem.code, str(problem), field=field.name))
    written = ",".join(f"{json_text(name)}:{text}" for name, text in members.items())
    return Submission("{" + written + "}", tuple(problems))


def _read(field: Field, given: GivenValues) -> str:
    cell = given.spell(field)
    if not cell and field.required:
        raise ValueProblemError("required", "is required, but no value was given")
    return reader_of(field)(cell)


def _unknown(name: str, names: Collection[str]) -> Problem:
    message = f"the pipeline has no field {visible(name)}{did_you_mean(name, names)}"
    return Problem("unknown_field", message, field=name)


def _read_only(name: str) -> Problem:
    message = f"field {visible(name)} came with the task and is read-only"
    return Problem("read_only_field", message, field=name)
