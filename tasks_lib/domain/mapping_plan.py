"""A mapping put to use: what it makes of sample rows, how it reads, and what a loader runs."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from tasks_lib.domain.conversions import CellOf, as_seeded, cell_of, seeded_reader_of
from tasks_lib.domain.fields import Field
from tasks_lib.domain.json_rows import parse_value
from tasks_lib.domain.mapping import FieldMapping, Plan, Sample
from tasks_lib.domain.names import counted
from tasks_lib.domain.values import Reader, ValueProblemError

_MAX_SAMPLE_VALUES: Final = 3
_MAX_SHOWN: Final = 40


class FilledField(NamedTuple):
    """A field that the plan fills; ``field`` is optional where a contributor may fill it instead.

    ``read(cell_of(row))`` is the JSON text to store; both raise ValueProblemError.
    """

    field: Field
    cell_of: CellOf
    read: Reader


def compile_plan(plan: Plan) -> tuple[FilledField, ...]:
    """Return the functions that make the fields' values of a row, in the pipeline's order."""
    return tuple(_compiled(entry) for entry in plan.filled)


def with_sample(plan: Plan, rows: Sequence[Mapping[str, str]]) -> Plan:
    """Return the plan with what ``rows`` (column to JSON text) give each field that is filled."""
    parsed = [{name: parse_value(text) for name, text in row.items()} for row in rows]
    fields = [
        entry if entry.column is None else replace(entry, sample=_sample(_compiled(entry), parsed))
        for entry in plan.fields
    ]
    values = tuple(_first_values(rows, column.name) for column in plan.columns)
    return replace(plan, fields=tuple(fields), values=values)


def brief_markdown(plan: Plan) -> str:
    """Return the plan as narrow Markdown: problems, fields, and the columns with samples."""
    lines = [f"- **{problem.code}**: {_plain(problem.message)}" for problem in plan.problems]
    lines += ["", "| field | column | fails |", "| --- | --- | --- |"]
    for entry in plan.fields:
        source = _code(entry.source) if entry.source is not None else entry.outcome.value
        fails = f"{entry.sample.failed:,} of {entry.sample.rows:,}" if entry.sample else ""
        lines.append(f"| {_code(entry.field.name)} | {source} | {fails} |")
    lines += ["", "| column | type | first values |", "| --- | --- | --- |"]
    for column, values in zip(plan.columns, plan.values, strict=False):
        shown = ", ".join(_code(_cut(value)) for value in values)
        lines.append(f"| {_code(column.name)} | {column.type} | {shown} |")
    return "\n".join(lines)


def markdown(plan: Plan) -> str:
    """Return the plan as Markdown: the problems, a table of the fields, and what is not used."""
    lines = [f"- **{problem.code}**: {_plain(problem.message)}" for problem in plan.problems]
    if lines:
        lines.append("")
    lines += ["| field | type | source | outcome | why | sample | fails |", "| --- " * 7 + "|"]
    lines += [_line(entry) for entry in plan.fields]
    if plan.unused:
        names = ", ".join(_code(column.name) for column in plan.unused)
        lines += ["", f"{counted(len(plan.unused), 'column')} not used: {names}"]
    return "\n".join(lines)


def _compiled(entry: FieldMapping) -> FilledField:
    assert entry.column is not None, entry  # noqa: S101
    field = as_seeded(entry.field)
    return FilledField(field, cell_of(entry.column, entry.path, field), seeded_reader_of(field))


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


def _line(entry: FieldMapping) -> str:
    required = "" if entry.field.required else ", optional"
    cells = [
        _code(entry.field.name),
        f"{entry.field.type}{required}",
        _code(entry.source) if entry.source is not None else "",
        entry.outcome.value,
        _plain(entry.why),
        *_sample_cells(entry.sample),
    ]
    return f"| {' | '.join(cells)} |"


def _sample_cells(sample: Sample | None) -> tuple[str, str]:
    if sample is None:
        return "", ""
    shown = ", ".join(_code(_cut(value)) for value in sample.values)
    codes = ", ".join(f"{code} {number:,}" for code, number in sample.failures)
    return shown, f"{sample.failed:,} of {sample.rows:,}" + (f": {codes}" if codes else "")


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _code(text: str) -> str:
    """Quote text as code, by more backticks than stand together in it."""
    runs = re.findall("`+", text)
    fence = "`" * (max(map(len, runs), default=0) + 1)
    padding = " " if runs else ""
    return f"{fence}{padding}{_escaped(text)}{padding}{fence}"


def _plain(text: str) -> str:
    return _escaped(text).replace("<", "&lt;")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\r", " ").replace("\n", " ")
