"""Try a mapping plan on sample rows, and compile it into functions that a loader runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from tasks_lib.domain.fields import Field
from tasks_lib.domain.mapping.conversions import CellOf, as_seeded, cell_of, seeded_reader_of
from tasks_lib.domain.mapping.path_budget import NO_CLOCK, Timing
from tasks_lib.domain.mapping.plans import FieldMapping, Plan, Sample
from tasks_lib.domain.rows.json_rows import parse_value
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.domain.values.readers import Reader

_MAX_SAMPLE_VALUES: Final = 3


class FilledField(NamedTuple):
    """A field that the plan fills; an input field is optional here.

    ``read(cell_of(row))`` returns the JSON text to store; both raise ValueProblemError.
    """

    field: Field
    cell_of: CellOf
    read: Reader


def compile_plan(plan: Plan, timing: Timing = NO_CLOCK) -> tuple[FilledField, ...]:
    """Return the functions that compute the fields of a row, in the pipeline's order.

    ``timing`` bounds the time that each JSONPath may take.
    """
    return tuple(_compile(entry, timing) for entry in plan.filled)


def with_sample(plan: Plan, rows: Sequence[Mapping[str, str]], timing: Timing = NO_CLOCK) -> Plan:
    """Return the plan with samples of its fields; ``rows`` are column to JSON text."""
    parsed = [{name: parse_value(text) for name, text in row.items()} for row in rows]
    fields = [
        entry
        if entry.column is None
        else replace(entry, sample=_sample(_compile(entry, timing), parsed))
        for entry in plan.fields
    ]
    values = tuple(_first_values(rows, column.name) for column in plan.columns)
    return replace(plan, fields=tuple(fields), values=values)


def _compile(entry: FieldMapping, timing: Timing) -> FilledField:
    assert entry.column is not None, entry  # noqa: S101
    field = as_seeded(entry.field)
    cell = cell_of(entry.column, entry.path, field, timing)
    return FilledField(field, cell, seeded_reader_of(field))


def _sample(filled: FilledField, rows: Sequence[Mapping[str, Any]]) -> Sample:
    values: dict[str, None] = {}
    codes: Counter[str] = Counter()
    for row in rows:
        try:
            values[filled.read(filled.cell_of(row))] = None
        except ValueProblemError as problem:
            codes[problem.code] += 1
    return Sample(len(rows), tuple(values)[:_MAX_SAMPLE_VALUES], tuple(sorted(codes.items())))


def _first_values(rows: Sequence[Mapping[str, str]], name: str) -> tuple[str, ...]:
    found = dict.fromkeys(row[name] for row in rows if name in row)
    return tuple(found)[:_MAX_SAMPLE_VALUES]
