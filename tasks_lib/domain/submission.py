"""What a contributor hands in: values of the fields that the seeding has left empty."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from tasks_lib.domain.conversions import spelled
from tasks_lib.domain.fields import Field, FieldSource
from tasks_lib.domain.json_rows import json_text
from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.domain.problems import Problem
from tasks_lib.domain.values import ValueProblemError, reader_of


class Submission(NamedTuple):
    """The JSON object to store, its members in the pipeline's order, or what is wrong with it."""

    filled_in: str
    problems: tuple[Problem, ...] = ()


def read_submission(
    fields: Sequence[Field], predefined: Collection[str], given: Mapping[str, Any]
) -> Submission:
    """Check values as those of a CSV are checked; ``given`` is as ``parse_value`` reads it.

    Required are the required input fields that are not ``predefined``. A dataset field that the
    seeding skipped may be filled in, too.
    """
    names = [field.name for field in fields]
    problems = [_unknown(name, names) for name in given if name not in names]
    problems += [_read_only(name) for name in names if name in given and name in predefined]
    members: dict[str, str] = {}
    for field in fields:
        is_asked = field.source is FieldSource.INPUT or field.name in given
        if field.name in predefined or not is_asked:
            continue
        try:
            members[field.name] = _read(field, given.get(field.name))
        except ValueProblemError as problem:
            problems.append(Problem(problem.code, str(problem), field=field.name))
    written = ",".join(f"{json_text(name)}:{text}" for name, text in members.items())
    return Submission("{" + written + "}", tuple(problems))


def _read(field: Field, value: Any) -> str:
    cell = spelled(value, field)
    if not cell and field.required:
        raise ValueProblemError("required", "is required, but no value was given")
    return reader_of(field)(cell)


def _unknown(name: str, names: Collection[str]) -> Problem:
    message = f"the pipeline has no field {visible(name)}{did_you_mean(name, names)}"
    return Problem("unknown_field", message, field=name)


def _read_only(name: str) -> Problem:
    message = f"field {visible(name)} came with the task and is read-only"
    return Problem("read_only_field", message, field=name)
