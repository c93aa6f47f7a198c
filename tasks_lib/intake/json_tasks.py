"""Take tasks in that come as JSON: ``{"tasks": [{"fields": {...}}, ...]}``.

Values are read as those of a CSV are, once each is spelled as a cell by its own kind. Where all
tasks are alike and no digit can have been lost, that is done column by column, by Arrow where it
can; otherwise, and where anything is wrong, value by value. A test holds all to the same answer.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from types import NoneType
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.conversions import FITS, spelled
from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.json_rows import Digits, kind_of
from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.domain.problems import Problem
from tasks_lib.domain.values import ValueProblemError
from tasks_lib.errors import MalformedBodyError
from tasks_lib.intake.columns import FieldProblem, shape_of
from tasks_lib.intake.json_bodies import Body, DoubledKeys, doubled_key
from tasks_lib.intake.json_structs import task_objects
from tasks_lib.intake.limits import Limits

MAX_TASKS: Final = 5_000
_MAX_PROBLEMS: Final = 10_000
"""Beyond these a bad task is reported by its first problem alone, so that an answer is bounded."""

_MAX_SUGGESTIONS: Final = 20
_EXPECTED: Final = 'the body must be {"tasks": [{"fields": {...}}, ...]} and nothing else'

_BY_ELEMENTS: Final = frozenset({FieldType.JSON, FieldType.MULTI_SELECT, FieldType.FILE})
_KINDS: Final[dict[type, frozenset[FieldType]]] = {
    str: frozenset(FieldType) - _BY_ELEMENTS,
    bool: FITS[FieldType.BOOLEAN] - _BY_ELEMENTS,
    int: FITS[FieldType.INTEGER] - _BY_ELEMENTS,
    Digits: FITS[FieldType.NUMBER] - _BY_ELEMENTS,
    NoneType: frozenset(FieldType),
}
"""Kinds of values that a field of such a type may take, and whose spelling is beyond doubt."""


class BadTask(NamedTuple):
    """What is wrong with a task; ``place`` is where it stands in the list, from 0."""

    place: int
    problem: Problem


class ReadTasks(NamedTuple):
    """The JSON object of each task (a string array); with ``bad`` they mean nothing."""

    values: pa.Array
    bad: tuple[BadTask, ...] = ()


def read_tasks(body: bytes, fields: Sequence[Field], limits: Limits) -> ReadTasks:
    """Read and check the tasks that a body holds, for dataset fields that are no files.

    Raises MalformedBodyError where the body as a whole is not what it should be.
    """
    objects = task_objects(body, fields, max_tasks=MAX_TASKS, max_cell_bytes=limits.max_cell_bytes)
    if objects is not None:
        return ReadTasks(objects)
    read = Body(body)
    for reading in (read.certain, read.exact):
        document = reading()
        if document is None:
            continue
        tasks = _tasks_in(document)
        columns = _regular_columns(tasks, fields, read.text)
        if columns is not None:
            values, problems = _shaped(columns, fields, len(tasks), limits)
            if not problems:
                return ReadTasks(values)
    return _read_carefully(tasks, fields, limits)


def _tasks_in(document: Any) -> list[Any]:
    """Return the list of tasks; raise MalformedBodyError where there is none, or too many."""
    if not isinstance(document, dict):
        raise MalformedBodyError(f"{_EXPECTED}; it is {_shown_kind(document)}")
    if isinstance(document, DoubledKeys) or set(document) != {"tasks"}:
        members = ", ".join(map(visible, islice(document, 5))) or "none"
        raise MalformedBodyError(f"{_EXPECTED}; its members are {members}")
    tasks = document["tasks"]
    if not isinstance(tasks, list):
        raise MalformedBodyError(f"{_EXPECTED}; 'tasks' is {_shown_kind(tasks)}")
    if not tasks:
        raise MalformedBodyError("the list of tasks is empty", code="no_tasks")
    if len(tasks) > MAX_TASKS:
        message = f"the body holds {len(tasks):,} tasks, {MAX_TASKS:,} are allowed; send several"
        raise MalformedBodyError(message, code="too_many_tasks")
    return tasks


def _shown_kind(value: Any) -> str:
    return "a number" if type(value) is float else kind_of(value)


def _regular_columns(
    tasks: Sequence[Any], fields: Sequence[Field], text: str
) -> list[pa.Array] | None:
    """Return the cells of each field; None where tasks are unlike each other, or may be wrong."""
    if "\\u0000" in text or not all(type(task) is dict and len(task) == 1 for task in tasks):
        return None
    rows = [task.get("fields") for task in tasks]
    names = {field.name for field in fields}
    if not all(type(row) is dict and row.keys() <= names for row in rows):
        return None
    columns = []
    for field in fields:
        cells = _regular_cells([row.get(field.name) for row in rows], field, text)
        if cells is None:
            return None
        columns.append(cells)
    return columns


def _regular_cells(values: list[Any], field: Field, text: str) -> pa.Array | None:
    kinds = set(map(type, values))
    if not all(field.type in _KINDS.get(kind, ()) for kind in kinds):
        return None
    if NoneType in kinds and field.required:
        return None
    if int in kinds and 0 in values and "-0" in text:  # a sign may have been lost
        return None
    if kinds <= {str, Digits}:
        return pa.array(values, pa.string())
    return pa.array([_cell(value) for value in values], pa.string())


def _cell(value: str | int | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if type(value) is bool else str(value)


def _shaped(
    columns: Sequence[pa.Array], fields: Sequence[Field], count: int, limits: Limits
) -> tuple[pa.Array, list[FieldProblem]]:
    """Return the tasks' JSON objects, and what is wrong with which value."""
    if not fields:
        return pa.array(["{}"] * count, pa.string()), []
    values, unfit = shape_of(fields)(columns)
    problems = [
        found
        for column, field in zip(columns, fields, strict=True)
        for found in _too_large(column, field, limits.max_cell_bytes)
    ]
    known = {(found.position, found.problem.field) for found in problems}
    problems += [found for found in unfit if (found.position, found.problem.field) not in known]
    return values, problems


def _too_large(column: pa.Array, field: Field, limit: int) -> Iterator[FieldProblem]:
    sizes = pc.binary_length(column).to_numpy()
    for position in np.flatnonzero(sizes > limit):
        message = f"has {sizes[position]:,} bytes, {limit:,} are allowed"
        yield FieldProblem(int(position), Problem("cell_too_large", message, field=field.name))


def _read_carefully(tasks: Sequence[Any], fields: Sequence[Field], limits: Limits) -> ReadTasks:
    """Read task by task, numbers being Digits, and find everything that is wrong."""
    hints = _Hints(fields)
    bad: list[BadTask] = []
    rows: list[list[str]] = []
    for place, task in enumerate(tasks):
        cells, problems = _cells_of(task, fields, hints)
        rows.append(cells)
        bad.extend(BadTask(place, problem) for problem in problems)
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    values, unfit = _shaped(columns, fields, len(tasks), limits)
    known = {(place, problem.field) for place, problem in bad}
    bad.extend(
        BadTask(found.position, found.problem)
        for found in unfit
        if known.isdisjoint({(found.position, found.problem.field), (found.position, None)})
    )
    return ReadTasks(values, tuple(_bounded(sorted(bad, key=_order_of(fields)))))


def _cells_of(
    task: Any, fields: Sequence[Field], hints: "_Hints"
) -> tuple[list[str], list[Problem]]:
    """Return a task's cells, empty where there is a problem."""
    nothing = [""] * len(fields)
    if type(task) is not dict or set(task) != {"fields"}:
        message = 'a task must be {"fields": {...}} and nothing else'
        return nothing, [Problem("malformed_task", message)]
    row = task["fields"]
    if not isinstance(row, dict):
        message = f"'fields' must be an object; it is {kind_of(row)}"
        return nothing, [Problem("malformed_task", message)]
    problems = [hints.unknown(name) for name in row if name not in hints.names]
    if isinstance(row, DoubledKeys):
        problems += [_doubled(name) for name in row.names]
    cells = []
    for field in fields:
        try:
            cells.append(_spelled(row, field))
        except ValueProblemError as problem:
            cells.append("")
            problems.append(Problem(problem.code, str(problem), field=field.name))
    return cells, problems


def _spelled(row: dict[str, Any], field: Field) -> str:
    if field.name in row:
        value = row[field.name]
        doubled = doubled_key(value)
        if doubled is not None:
            message = f"holds an object in which {visible(doubled)} stands twice"
            raise ValueProblemError("invalid_json", message)
        return spelled(value, field)
    if field.required:
        raise ValueProblemError("missing_field", "is required, but the task does not have it")
    return ""


class _Hints:
    """The fields' names, and what a wrong one may have meant."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.names = [field.name for field in fields]
        self._known: dict[str, str] = {}

    def unknown(self, name: str) -> Problem:
        """Return the problem of a field that the pipeline does not have."""
        if name not in self._known and len(self._known) < _MAX_SUGGESTIONS:
            self._known[name] = did_you_mean(name, self.names)
        hint = self._known.get(name, "")
        message = f"{visible(name)} is no dataset field of the pipeline{hint}"
        return Problem("unknown_field", message, field=name)


def _doubled(name: str) -> Problem:
    return Problem("duplicate_field", f"{visible(name)} stands twice in the task", field=name)


def _order_of(fields: Sequence[Field]) -> Callable[[BadTask], tuple[int, int]]:
    """Return the sort key of bad tasks: their place, then that of the field, unknown ones first."""
    places = {field.name: place for place, field in enumerate(fields)}
    return lambda bad: (bad.place, places.get(bad.problem.field or "", -1))


def _bounded(bad: Sequence[BadTask]) -> Iterator[BadTask]:
    told = 0
    for _, found in groupby(bad, key=lambda entry: entry.place):
        for entry in islice(found, None if told < _MAX_PROBLEMS else 1):
            told += 1
            yield entry
