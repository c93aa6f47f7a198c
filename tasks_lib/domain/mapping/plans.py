"""Mapping plans: which column of a source fills which field of a pipeline."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.mapping.conversions import TEXTS_WITH_PATHS, Column, fits
from tasks_lib.domain.names import Suggestions, letters_and_digits, visible
from tasks_lib.domain.rows.json_rows import name_own_columns
from tasks_lib.errors import Problem

_NO_MATCH: Final = "no column matches"
_LEFT_TO_CONTRIBUTORS: Final = "filled in by contributors"


class Outcome(StrEnum):
    """How a field is filled: by a column of its name, by the mapping, or not at all."""

    MATCHED = "matched"
    MAPPED = "mapped"
    SKIPPED = "skipped"
    UNMATCHED = "unmatched"


class Sample(NamedTuple):
    """The result of filling a field from some rows of the source.

    ``values`` are the first three distinct ones, as the JSON texts to store; ``failures`` counts
    the rows that fail, by code.
    """

    rows: int
    values: tuple[str, ...]
    failures: tuple[tuple[str, int], ...]

    @property
    def failed(self) -> int:
        """The number of rows that fail."""
        return sum(count for _, count in self.failures)


@dataclass(frozen=True)
class FieldMapping:
    """A field, the column that fills it, if any, and the reason in words."""

    field: Field
    outcome: Outcome
    why: str
    column: Column | None = None
    path: str | None = None
    sample: Sample | None = None

    @property
    def source(self) -> str | None:
        """The column and its JSONPath as they are written by hand: ``column[:jsonpath]``."""
        if self.column is None:
            return None
        return self.column.name if self.path is None else f"{self.column.name}:{self.path}"

    @property
    def shown_outcome(self) -> str:
        """The outcome in tables for people: nothing if contributors fill in the field."""
        return "" if self.why == _LEFT_TO_CONTRIBUTORS else self.outcome.value

    @property
    def document(self) -> dict[str, Any]:
        """The JSON form."""
        entry: dict[str, Any] = {
            "target": self.field.name,
            "type": self.field.type.value,
            "filled_by": self.field.source.value,
            "required": self.field.required,
            "outcome": self.outcome.value,
            "why": self.why,
            "column": self.column.name if self.column else None,
            "column_type": self.column.type.value if self.column else None,
            "path": self.path,
        }
        if self.sample is not None:
            entry["sample"] = {
                "rows": self.sample.rows,
                "values": list(self.sample.values),
                "failed": self.sample.failed,
                "failures": dict(self.sample.failures),
            }
        return entry


@dataclass(frozen=True)
class Plan:
    """A mapping of all fields of a pipeline, in its order, and the problems of the mapping.

    ``values`` holds for each column the first three distinct values of a sample, as JSON texts.
    """

    columns: tuple[Column, ...]
    fields: tuple[FieldMapping, ...]
    problems: tuple[Problem, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()

    @property
    def filled(self) -> tuple[FieldMapping, ...]:
        """The fields that get a column."""
        return tuple(entry for entry in self.fields if entry.column is not None)

    @property
    def failing(self) -> tuple[FieldMapping, ...]:
        """The fields whose column does not fit in some row of the sample."""
        return tuple(entry for entry in self.fields if entry.sample and entry.sample.failed)

    @property
    def obstacles(self) -> tuple[Problem, ...]:
        """Why the plan cannot be used: its problems, or that no column fills any field."""
        if self.problems or self.filled:
            return self.problems
        message = "no column fills any field; map one by hand, as field=column"
        return (Problem("nothing_mapped", message),)

    @property
    def unused(self) -> tuple[Column, ...]:
        """The columns that fill no field, in the source's order."""
        used = {entry.column for entry in self.filled}
        return tuple(column for column in self.columns if column not in used)

    @property
    def mapping(self) -> dict[str, str]:
        """The mapping of all filled fields: field to ``column[:jsonpath]``."""
        return {entry.field.name: entry.source for entry in self.fields if entry.source is not None}

    @property
    def filled_from(self) -> dict[str, str]:
        """The column of each filled field."""
        return {entry.field.name: entry.column.name for entry in self.fields if entry.column}

    def warn_of_empty(self, fields: Collection[str], rows: int) -> tuple[str, ...]:
        """Return a warning for each of the fields, which got no value from any of the rows.

        A single row may well lack a value; a JSONPath that finds nothing is suspicious even so.
        """
        empty = [entry for entry in self.filled if entry.field.name in fields]
        where = f"all {rows:,} rows" if rows > 1 else "the only row"
        return tuple(
            f"field {visible(entry.field.name)} stays empty in {where}: "
            + (
                f"column {visible(entry.column.name)} is null or empty"
                if entry.path is None
                else f"{entry.path} finds nothing in column {visible(entry.column.name)}"
            )
            for entry in empty
            if entry.column is not None and (entry.path is not None or rows > 1)
        )

    @property
    def skip(self) -> tuple[str, ...]:
        """The fields that were skipped on request."""
        return tuple(entry.field.name for entry in self.fields if entry.outcome is Outcome.SKIPPED)

    @property
    def document(self) -> dict[str, Any]:
        """The JSON form."""
        unused = set(self.unused)
        return {
            "fields": [entry.document for entry in self.fields],
            "columns": [
                {"name": column.name, "type": column.type.value, "used": column not in unused}
                for column in self.columns
            ],
            "problems": [
                {"field": problem.field, "code": problem.code, "message": problem.message}
                for problem in self.problems
            ],
        }


def columns_of(fields: Iterable[Field]) -> tuple[Column, ...]:
    """Return the columns of a source pipeline: its fields, then ``id``, ``status``, ``created``.

    If a field has such a name, the column is called ``task_id`` and so on.
    """
    columns = [Column(field.name, field.type) for field in fields]
    names = name_own_columns([column.name for column in columns])
    own = [Column(names[name], kind) for name, kind in _OWN_TYPES.items()]
    return (*columns, *own)


_OWN_TYPES: Final = {
    "id": FieldType.INTEGER,
    "status": FieldType.TEXT,
    "created": FieldType.DATETIME,
}


def plan_mapping(
    columns: Sequence[Column],
    fields: Sequence[Field],
    mapping: Mapping[str, str] | None = None,
    skip: Collection[str] = (),
) -> Plan:
    """Decide for each field which column fills it; names of columns and of fields are unique.

    ``mapping`` is field to ``column`` or ``column:jsonpath``. Fields in ``skip`` stay empty. Other
    fields are filled by the column of the same name, else by the only column with the same letters
    and digits. Problems are collected in the plan, not raised.
    """
    by_hand = mapping or {}
    names = [field.name for field in fields]
    source = _Source(columns, names, {*by_hand, *skip})
    decisions = [_decide(field, by_hand, skip, source) for field in fields]
    problems = _unknown_targets({*by_hand, *skip}, names)
    problems.extend(problem for _, problem in decisions if problem is not None)
    return Plan(tuple(columns), tuple(entry for entry, _ in decisions), tuple(problems))


def split_source(source: str, columns: Collection[str]) -> tuple[str, str | None] | None:
    """Split ``column[:jsonpath]``, or return None if it does not begin with the name of a column.

    Both may contain colons: the longest matching name is taken. A path begins with $.
    """
    if source in columns:
        return source, None
    fitting = [name for name in columns if source.startswith(f"{name}:$")]
    if not fitting:
        return None
    name = max(fitting, key=len)
    return name, source[len(name) + 1 :]


class _Source:
    """The columns by name and by letters and digits, and the fields that are still open.

    A column that is called like a field is that field's, so it is no other field's candidate.
    """

    def __init__(
        self, columns: Iterable[Column], fields: Sequence[str], decided: Collection[str]
    ) -> None:
        self.named = {column.name: column for column in columns}
        self.hints = Suggestions(self.named)
        exact = set(self.named) & set(fields)
        settled = {*decided, *exact}
        self._loose = _by_fold(sorted(set(self.named) - exact))
        self._rivals = _by_fold(name for name in fields if name not in settled)

    def match(self, field: str) -> tuple[Column | None, str]:
        """Return the column that matches a field, if any, and the reason."""
        if field in self.named:
            return self.named[field], "same name"
        fold = letters_and_digits(field)
        columns, rivals = self._loose.get(fold, []), self._rivals.get(fold, [])
        if not columns:
            return None, _NO_MATCH
        if len(columns) > 1:
            return None, f"ambiguous: {_listed(columns)}"
        if len(rivals) > 1:
            others = _listed(name for name in rivals if name != field)
            return None, f"ambiguous: {visible(columns[0])} matches {others} as well"
        return self.named[columns[0]], "same letters and digits"


def _by_fold(names: Iterable[str]) -> dict[str, list[str]]:
    """Group names by their letters and digits; leave out names without any."""
    groups: dict[str, list[str]] = {}
    for name in names:
        if fold := letters_and_digits(name):
            groups.setdefault(fold, []).append(name)
    return groups


def _listed(names: Iterable[str]) -> str:
    return ", ".join(visible(name) for name in names)


_Decision = tuple[FieldMapping, Problem | None]


def _decide(
    field: Field,
    by_hand: Mapping[str, str],
    skip: Collection[str],
    source: _Source,
) -> _Decision:
    if field.name in skip:
        message = f"field {visible(field.name)} is both mapped and skipped"
        problem = Problem("mapped_and_skipped", message, field=field.name)
        entry = FieldMapping(field, Outcome.SKIPPED, "skipped on request")
        return entry, problem if field.name in by_hand else None
    if field.name in by_hand:
        return _map_by_hand(field, by_hand[field.name], source)
    return _match_by_name(field, source)


def _map_by_hand(field: Field, text: str, source: _Source) -> _Decision:
    split = split_source(text, source.named)
    if split is None:
        return _reject(field, "unknown_source_column", _unknown_column(text, source))
    column, path = source.named[split[0]], split[1]
    wrong = _wrong_path(column, path) if path is not None else None
    if wrong is not None:
        return _reject(field, *wrong)
    if not fits(column.type, field.type, has_path=path is not None):
        return _reject(field, "types_never_fit", _never_fits(column, field, path))
    return FieldMapping(field, Outcome.MAPPED, "mapped by hand", column, path), None


def _reject(field: Field, code: str, why: str) -> _Decision:
    problem = Problem(code, f"field {visible(field.name)}: {why}", field=field.name)
    return FieldMapping(field, Outcome.UNMATCHED, why), problem


def _wrong_path(column: Column, path: str) -> tuple[str, str] | None:
    if column.type is not FieldType.JSON and column.type not in TEXTS_WITH_PATHS:
        reason = f"column {visible(column.name)} is of type {column.type}"
        why = f"{reason}, and a JSONPath needs json, or text that holds JSON"
        return "path_without_json", why
    from tasks_lib.domain.mapping import json_paths  # noqa: PLC0415 - loads a parser of paths

    try:
        json_paths.compile_path(path)
    except json_paths.PathSyntaxError as error:
        return "invalid_jsonpath", str(error)
    return None


def _unknown_column(text: str, source: _Source) -> str:
    if any(text.startswith(f"{name}:") for name in source.named):
        return f"{visible(text)} is not a column, and a JSONPath after a column begins with $"
    name = text.partition(":$")[0]
    return f"the source has no column {visible(name)}{source.hints.did_you_mean(name)}"


def _never_fits(column: Column, field: Field, path: str | None) -> str:
    without = column.type is FieldType.JSON and path is None and field.type is not FieldType.FILE
    hint = " without a JSONPath" if without else ""
    reason = f"column {visible(column.name)} is of type {column.type}"
    return f"{reason}, which never fits {field.type}{hint}"


def _match_by_name(field: Field, source: _Source) -> _Decision:
    column, why = source.match(field.name)
    if column is not None and fits(column.type, field.type):
        return FieldMapping(field, Outcome.MATCHED, why, column), None
    if column is not None:
        why = _never_fits(column, field, None)
    if why == _NO_MATCH and field.source is FieldSource.INPUT:
        why = _LEFT_TO_CONTRIBUTORS
    entry = FieldMapping(field, Outcome.UNMATCHED, why)
    if not field.required or field.source is FieldSource.INPUT:
        return entry, None
    lack = f"the required field {visible(field.name)} gets no value: {why}"
    hint = source.hints.did_you_mean(field.name) if why == _NO_MATCH else ""
    message = f"{lack}; map it by hand or skip it{hint}"
    return entry, Problem("unmatched_field", message, field=field.name)


def _unknown_targets(targets: Iterable[str], fields: Collection[str]) -> list[Problem]:
    hints = Suggestions(fields)
    return [
        Problem(
            "unknown_target",
            f"the pipeline has no field {visible(target)}{hints.did_you_mean(target)}",
            field=target,
        )
        for target in sorted(set(targets) - set(fields))
    ]
