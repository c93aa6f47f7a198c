"""Read tasks in JSON one by one, value by value, and explain what is wrong with them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.domain.rows.json_rows import kind_of
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem
from tasks_lib.intake.api_tasks.json_bodies import (
    Members,
    read_named,
    type_of,
)
from tasks_lib.intake.api_tasks.json_lists import NO_TASK, TaskTexts
from tasks_lib.intake.api_tasks.json_members import (
    BY_ELEMENTS,
    check_size,
    size_message,
    spell_member,
)
from tasks_lib.intake.rows.columns import FieldProblem, shape_of

MAX_PROBLEMS: Final = 100
"""After this many no more tasks are read: the answer lists no more."""

MAX_CLOSE_BYTES: Final = 64 * 2**10
"""After the first problem, reading ends with the task that exceeds this."""

_MAX_SUGGESTIONS: Final = 20


class BadTask(NamedTuple):
    """A problem of a task; ``place`` is its position in the list, from 0."""

    place: int
    problem: Problem


class CloseReader:
    """Reads tasks one by one, until there are enough problems; ``bad`` lists them."""

    def __init__(self, fields: Sequence[Field], limits: Limits) -> None:
        self._fields = fields
        self._limits = limits
        self._hints = _Hints(fields)
        self._documents = [field.name for field in fields if field.type in BY_ELEMENTS]
        self._order = _order_of(fields)
        self._bytes = self._document_bytes = 0
        self.bad: list[BadTask] = []

    @property
    def has_enough(self) -> bool:
        """Whether no more problems are looked for."""
        return len(self.bad) >= MAX_PROBLEMS or self._bytes > MAX_CLOSE_BYTES

    def read(self, tasks: TaskTexts, first: int = 0) -> pa.Array:
        """Return the JSON objects of the tasks that were read: all, unless there is enough.

        They are meaningless if there are problems. ``first`` is the place of the first task.
        """
        bad: list[BadTask] = []
        rows: list[list[str]] = []
        unread: set[int] = set()
        nothing = [""] * len(self._fields)
        for place, (raw, size) in enumerate(zip(tasks.raws, tasks.sizes, strict=True), first):
            try:
                text = bytes(raw) if tasks.are_plain and raw is not NO_TASK else _read_fields(raw)
                row = _read_row(text, self._hints)
                self.count_documents(row.raw(name) for name in self._documents if name in row)
                cells, problems = _cells_of(row, self._fields, self._limits, self._hints)
            except _MalformedTaskError as error:
                cells, problems = [], [Problem("malformed_task", str(error))]
            rows.append(cells or nothing)
            if not cells:
                unread.add(place)
            bad.extend(BadTask(place, problem) for problem in problems)
            if self.bad or bad:
                self._bytes += size
            if len(bad) >= MAX_PROBLEMS or self.has_enough:
                break
        columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
        values, unfit = shape_tasks(columns, self._fields, len(rows), self._limits)
        known = {(place, problem.field) for place, problem in bad}
        bad.extend(
            BadTask(first + position, problem)
            for position, problem in unfit
            if first + position not in unread and (first + position, problem.field) not in known
        )
        if bad and not known:
            self._bytes += sum(tasks.sizes[: len(rows)])
        self.bad += sorted(bad, key=self._order)
        return values

    def count_documents(self, texts: Iterable[bytes]) -> None:
        """Count documents; raise MalformedBodyError if all that were counted are too large."""
        sizes = map(len, texts)
        self._document_bytes += sum(size for size in sizes if size <= self._limits.max_cell_bytes)
        check_size(self._document_bytes, self._limits)


def shape_tasks(
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
        message = size_message(sizes[position], limit)
        yield FieldProblem(int(position), Problem("cell_too_large", message, field=field.name))


class _MalformedTaskError(Exception):
    """Raised for a task that is no object with fields."""


def _read_fields(task: Raw) -> bytes:
    """Return the text of a task's only member."""
    members = read_named(bytes(task), ("fields",), is_valid=True)
    if members is None or set(members) != {"fields"} or members.doubled():
        raise _MalformedTaskError('a task must be {"fields": {...}} and nothing else')
    return members.raw("fields")


def _read_row(text: bytes, hints: "_Hints") -> Members:
    row = read_named(text, hints.names, is_valid=True)
    if row is None:
        raise _MalformedTaskError(f"'fields' must be an object; it is {kind_of(type_of(text)())}")
    return row


def _cells_of(
    row: Members, fields: Sequence[Field], limits: Limits, hints: "_Hints"
) -> tuple[list[str], list[Problem]]:
    """Return the cells of a task's fields, empty if there is a problem, and the problems.

    There are no cells at all if the problems say enough about the task.
    """
    unknown = (name for name in row if name not in hints.names)
    problems = [hints.unknown(name) for name in islice(unknown, MAX_PROBLEMS)]
    if len(problems) == MAX_PROBLEMS or not row.is_whole:
        return [], problems
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
        return spell_member(row, field, limits.max_cell_bytes)
    if field.required:
        raise ValueProblemError("missing_field", "is required, but the task does not have it")
    return ""


class _Hints:
    """The fields' names, and suggestions for wrong ones."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.names = tuple(field.name for field in fields)
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
