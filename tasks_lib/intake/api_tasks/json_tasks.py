"""Take in tasks that are sent as JSON: ``{"tasks": [{"fields": {...}}, ...]}``.

Each value is written as a cell according to its JSON type, and then read as the cells of a CSV are.
If all tasks have the same shape and no digit can have been lost, this is done column by column;
otherwise, and if anything is wrong, value by value. A test verifies that all ways give the same
result.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from types import NoneType
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.json_rows import Digits, kind_of
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import FITS, spell_value
from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import MalformedBodyError, Problem
from tasks_lib.intake.api_tasks.json_bodies import (
    Body,
    Members,
    doubled_key,
    read_body_object,
    read_object,
)
from tasks_lib.intake.api_tasks.json_structs import task_objects
from tasks_lib.intake.rows.columns import FieldProblem, shape_of

MAX_TASKS: Final = 5_000
MAX_PROBLEMS: Final = 100
"""After this many no more tasks are read: the answer lists no more."""

_FIRST_TASKS: Final = 250
_TASKS_AT_ONCE: Final = 1_000

_MAX_SUGGESTIONS: Final = 20
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_EXPECTED: Final = 'the body must be {"tasks": [{"fields": {...}}, ...]} and nothing else'

_BY_ELEMENTS: Final = frozenset({FieldType.JSON, FieldType.MULTI_SELECT, FieldType.FILE})
_KINDS: Final[dict[type, frozenset[FieldType]]] = {
    str: frozenset(FieldType) - _BY_ELEMENTS,
    bool: FITS[FieldType.BOOLEAN] - _BY_ELEMENTS,
    int: FITS[FieldType.INTEGER] - _BY_ELEMENTS,
    Digits: FITS[FieldType.NUMBER] - _BY_ELEMENTS,
    NoneType: frozenset(FieldType),
}
"""Field types that accept a value of each kind, and whose cell is unambiguous."""


class BadTask(NamedTuple):
    """A problem of a task; ``place`` is its position in the list, from 0."""

    place: int
    problem: Problem


class ReadTasks(NamedTuple):
    """The JSON object of each task (a string array), meaningless if there are ``bad`` tasks.

    ``is_whole`` tells that all tasks were read; reading stops after enough problems.
    """

    values: pa.Array
    bad: tuple[BadTask, ...] = ()
    is_whole: bool = True


def read_tasks(body: bytes, fields: Sequence[Field], limits: Limits) -> ReadTasks:
    """Read and check the tasks of a body, for dataset fields that are not files.

    Raises MalformedBodyError if the body as a whole is invalid.
    """
    objects = task_objects(body, fields, max_tasks=MAX_TASKS, max_cell_bytes=limits.max_cell_bytes)
    if objects is not None:
        return ReadTasks(objects)
    return read_some_at_once(list_tasks(body), fields, limits)


def list_tasks(body: bytes) -> list[bytes]:
    """Return the text of each task; raise MalformedBodyError for no tasks, or too many."""
    members = read_body_object(body, _EXPECTED)
    if set(members) != {"tasks"} or members.doubled():
        names = ", ".join(map(visible, islice(members, 5))) or "none"
        raise MalformedBodyError(f"{_EXPECTED}; its members are {names}")
    if members.kind("tasks") is not list:
        kind = kind_of(members.kind("tasks")())
        raise MalformedBodyError(f"{_EXPECTED}; 'tasks' is {kind}")
    tasks = _LIST.decode(members.raw("tasks"))
    if not tasks:
        raise MalformedBodyError("the list of tasks is empty", code="no_tasks")
    if len(tasks) > MAX_TASKS:
        message = f"the body holds {len(tasks):,} tasks, {MAX_TASKS:,} are allowed; send several"
        raise MalformedBodyError(message, code="too_many_tasks")
    return list(map(bytes, tasks))


def _read_regular(
    tasks: Sequence[bytes], fields: Sequence[Field], limits: Limits
) -> pa.Array | None:
    """Return the JSON objects of tasks; None if they have different shapes or may be wrong."""
    body = b'{"tasks":[' + b",".join(tasks) + b"]}"
    objects = task_objects(body, fields, max_tasks=MAX_TASKS, max_cell_bytes=limits.max_cell_bytes)
    if objects is not None:
        return objects
    read = Body(body)  # raises an error for what is no valid JSON
    if any(field.type in _BY_ELEMENTS for field in fields):
        return None
    for document in read.readings():
        tasks = document["tasks"]
        columns = _regular_columns(tasks, fields, read.text)
        if columns is not None:
            values, problems = _shape(columns, fields, len(tasks), limits)
            return values if not problems else None
    return None


def _regular_columns(
    tasks: Sequence[Any], fields: Sequence[Field], text: str
) -> list[pa.Array] | None:
    """Return the cells of each field; None if tasks have different shapes or may be wrong."""
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
    if int in kinds and 0 in values and "-0" in text:  # the sign of a zero may have been lost
        return None
    if kinds <= {str, Digits}:
        return pa.array(values, pa.string())
    return pa.array([_cell(value) for value in values], pa.string())


def _cell(value: str | int | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if type(value) is bool else str(value)


def _shape(
    columns: Sequence[pa.Array], fields: Sequence[Field], count: int, limits: Limits
) -> tuple[pa.Array, list[FieldProblem]]:
    """Return the tasks' JSON objects, and the problems of values."""
    if not fields:
        return pa.array(["{}"] * count, pa.string()), []
    values, unfit = shape_of(fields)(columns)
    problems = [
        entry
        for column, field in zip(columns, fields, strict=True)
        for entry in _too_large(column, field, limits.max_cell_bytes)
    ]
    known = {(entry.position, entry.problem.field) for entry in problems}
    problems += [entry for entry in unfit if (entry.position, entry.problem.field) not in known]
    return values, problems


def _too_large(column: pa.Array, field: Field, limit: int) -> Iterator[FieldProblem]:
    sizes = pc.binary_length(column).to_numpy()
    for position in np.flatnonzero(sizes > limit):
        message = _size_message(sizes[position], limit)
        yield FieldProblem(int(position), Problem("cell_too_large", message, field=field.name))


def read_some_at_once(tasks: Sequence[bytes], fields: Sequence[Field], limits: Limits) -> ReadTasks:
    """Read tasks, some at once, until there are many problems; those with problems one by one."""
    hints = _Hints(fields)
    values: list[pa.Array] = []
    bad: list[BadTask] = []
    first, count = 0, _FIRST_TASKS
    while first < len(tasks) and len(bad) < MAX_PROBLEMS:
        some = tasks[first : first + count]
        good = _read_regular(some, fields, limits)
        if good is None:
            good, problems = read_one_by_one(some, fields, limits, hints)
            bad += [BadTask(first + place, problem) for place, problem in problems]
        values.append(good)
        first, count = first + len(some), _TASKS_AT_ONCE
    if bad:
        nothing = pa.nulls(len(tasks), pa.string())
        return ReadTasks(nothing, tuple(bad[:MAX_PROBLEMS]), first == len(tasks))
    return ReadTasks(pa.chunked_array(values).combine_chunks())


def read_one_by_one(
    tasks: Sequence[bytes], fields: Sequence[Field], limits: Limits, hints: "_Hints | None" = None
) -> tuple[pa.Array, list[BadTask]]:
    """Return the JSON objects of tasks and their problems, with numbers read as Digits."""
    hints = hints or _Hints(fields)
    bad: list[BadTask] = []
    rows: list[list[str]] = []
    for place, task in enumerate(tasks):
        cells, problems = _cells_of(task, fields, limits, hints)
        rows.append(cells)
        bad.extend(BadTask(place, problem) for problem in problems)
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    values, unfit = _shape(columns, fields, len(tasks), limits)
    known = {(place, problem.field) for place, problem in bad}
    bad.extend(
        BadTask(entry.position, entry.problem)
        for entry in unfit
        if known.isdisjoint({(entry.position, entry.problem.field), (entry.position, None)})
    )
    return values, sorted(bad, key=_order_of(fields))


def _cells_of(
    text: bytes, fields: Sequence[Field], limits: Limits, hints: "_Hints"
) -> tuple[list[str], list[Problem]]:
    """Return a task's cells, empty if there is a problem, and the problems."""
    nothing = [""] * len(fields)
    task = read_object(text)
    if task is None or set(task) != {"fields"} or task.doubled():
        message = 'a task must be {"fields": {...}} and nothing else'
        return nothing, [Problem("malformed_task", message)]
    row = read_object(task.raw("fields"))
    if row is None:
        message = f"'fields' must be an object; it is {kind_of(task.kind('fields')())}"
        return nothing, [Problem("malformed_task", message)]
    unknown = (name for name in row if name not in hints.names)
    problems = [hints.unknown(name) for name in islice(unknown, MAX_PROBLEMS)]
    if len(problems) == MAX_PROBLEMS:
        return nothing, problems
    problems += [_doubled(name) for name in islice(row.doubled(), MAX_PROBLEMS)]
    cells = []
    for field in fields:
        try:
            cells.append(_cell_of(row, field, limits))
        except ValueProblemError as problem:
            cells.append("")
            problems.append(Problem(problem.code, str(problem), field=field.name))
    return cells, problems


def _cell_of(row: Members, field: Field, limits: Limits) -> str:
    if field.name in row:
        size = len(row.raw(field.name))
        if size > limits.max_cell_bytes and row.kind(field.name) in {dict, list}:
            raise ValueProblemError("cell_too_large", _size_message(size, limits.max_cell_bytes))
        value = row[field.name]
        doubled = doubled_key(value)
        if doubled is not None:
            message = f"holds an object in which {visible(doubled)} occurs twice"
            raise ValueProblemError("invalid_json", message)
        if isinstance(value, str) and len(value) > limits.max_cell_bytes:
            size = len(value.encode())
            raise ValueProblemError("cell_too_large", _size_message(size, limits.max_cell_bytes))
        return spell_value(value, field)
    if field.required:
        raise ValueProblemError("missing_field", "is required, but the task does not have it")
    return ""


def _size_message(size: int, limit: int) -> str:
    return f"has {size:,} bytes, {limit:,} are allowed"


class _Hints:
    """The fields' names, and suggestions for wrong ones."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.names = [field.name for field in fields]
        self._known: dict[str, str] = {}

    def unknown(self, name: str) -> Problem:
        """Return the problem of a field that the pipeline does not have."""
        if name not in self._known and len(self._known) < _MAX_SUGGESTIONS:
            self._known[name] = did_you_mean(name, self.names)
        hint = self._known.get(name, "")
        message = f"{visible(name)} is not a dataset field of the pipeline{hint}"
        return Problem("unknown_field", message, field=name)


def _doubled(name: str) -> Problem:
    return Problem("duplicate_field", f"{visible(name)} occurs twice in the task", field=name)


def _order_of(fields: Sequence[Field]) -> Callable[[BadTask], tuple[int, int]]:
    """Return the sort key of bad tasks: their place, then that of the field, unknown ones first."""
    places = {field.name: place for place, field in enumerate(fields)}
    return lambda bad: (bad.place, places.get(bad.problem.field or "", -1))
