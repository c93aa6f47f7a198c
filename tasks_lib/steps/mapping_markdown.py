"""Write a mapping plan as Markdown, for artifacts and for the review form."""

import re
from collections.abc import Sequence
from typing import Final

from tasks_lib.domain.fields import FieldSource
from tasks_lib.domain.mapping.plans import FieldMapping, Plan, Sample
from tasks_lib.domain.names import counted
from tasks_lib.errors import Problem

_MAX_SHOWN: Final = 40
_HARMLESS: Final = re.compile(r"(?:[^\W_]|[ \"'.,:;?!/-])*")
"""Text that looks the same with and without Markdown."""


def brief_markdown(plan: Plan) -> str:
    """Return what a form does not show: the obstacles, and the columns with their first values."""
    lines = [f"- **{problem.code}**: {_plain(problem.message)}" for problem in plan.obstacles]
    lines += [f"- {_failure(entry)}" for entry in plan.failing]
    lines += ["", "| column | type | first values |", "| --- | --- | --- |"]
    for column, values in zip(plan.columns, plan.values, strict=False):
        lines.append(f"| {_code(column.name)} | {column.type} | {_values(values)} |")
    return "\n".join(lines)


def describe_changes(before: Plan, after: Plan) -> str:
    """Return a list of the fields that another column fills than before."""
    old, lines = before.mapping, []
    for entry in after.fields:
        former = old.get(entry.field.name)
        if entry.source == former:
            continue
        now = _code(entry.source) if entry.source is not None else "nothing"
        then = _code(former) if former is not None else "nothing"
        samples = f": {_values(entry.sample.values)}" if entry.sample and entry.source else ""
        lines.append(f"- {_code(entry.field.name)} is filled by {now} instead of {then}{samples}")
    return "\n".join(lines)


def describe_field(entry: FieldMapping, problems: Sequence[Problem]) -> str:
    """Return what the form says about a field: its type, its first values, and what is wrong."""
    field = entry.field
    if field.source is FieldSource.INPUT:
        parts = [f"{field.type}, filled in by contributors unless you choose a column"]
    else:
        parts = [f"{field.type}, {'required' if field.required else 'optional'}"]
    if entry.sample and entry.sample.values:
        parts.append(f"First values: {_plain_values(entry.sample.values)}")
    if entry.sample and entry.sample.failed:
        parts.append(f"Fails in {_in_sample(entry.sample)}")
    wrong = [problem.message for problem in problems if problem.field == field.name]
    return ". ".join(parts + [_plain(f"{message[:1].upper()}{message[1:]}") for message in wrong])


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


def _line(entry: FieldMapping) -> str:
    required = "" if entry.field.required else ", optional"
    cells = [
        _code(entry.field.name),
        f"{entry.field.type}{required}",
        _code(entry.source) if entry.source is not None else "",
        entry.shown_outcome,
        _plain(entry.why),
        *_sample_cells(entry.sample),
    ]
    return f"| {' | '.join(cells)} |"


def _sample_cells(sample: Sample | None) -> tuple[str, str]:
    if sample is None:
        return "", ""
    return _values(sample.values), _failures(sample)


def _failure(entry: FieldMapping) -> str:
    """Return ``body from text:$.x fails in 3 of 3 rows of the sample: path_no_match 3``."""
    assert entry.sample is not None  # noqa: S101 - a field fails in a sample
    source = _code(entry.source or "")
    return f"{_code(entry.field.name)} from {source} fails in {_in_sample(entry.sample)}"


def _in_sample(sample: Sample) -> str:
    return _failures(sample).replace(":", " rows of the sample:", 1)


def _failures(sample: Sample) -> str:
    codes = ", ".join(f"{code} {number:,}" for code, number in sample.failures)
    return f"{sample.failed:,} of {sample.rows:,}" + (f": {codes}" if codes else "")


def _values(values: Sequence[str]) -> str:
    return ", ".join(_code(_cut(value)) for value in values)


def _plain_values(values: Sequence[str]) -> str:
    """Return values for a description, which one of Prefect's UIs shows with the marks of code."""
    return ", ".join(
        _cut(value) if _HARMLESS.fullmatch(_cut(value)) else _code(_cut(value)) for value in values
    )


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
