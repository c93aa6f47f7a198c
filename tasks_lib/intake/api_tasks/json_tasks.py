"""Take in tasks that are sent as JSON: ``{"tasks": [{"fields": {...}}, ...]}``.

Each value is written as a cell according to its JSON type, and then read as the cells of a CSV are.
If all tasks have the same shape and no digit can have been lost, this is done column by column;
otherwise, and if anything is wrong, value by value. A test verifies that all ways give the same
result.

Reading stops soon after the first problem: a body that is refused must not cost more than one that
is accepted, and values that do not fit cost most.
"""

from collections.abc import Sequence
from types import NoneType
from typing import Any, Final, NamedTuple

import pyarrow as pa

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import FITS
from tasks_lib.domain.rows.json_rows import Digits
from tasks_lib.domain.values.json_text import has_nul
from tasks_lib.intake.api_tasks.json_bodies import Body, count
from tasks_lib.intake.api_tasks.json_cells import (
    MAX_PROBLEMS,
    BadTask,
    CloseReader,
    shape_tasks,
)
from tasks_lib.intake.api_tasks.json_documents import has_documents
from tasks_lib.intake.api_tasks.json_lists import MAX_TASKS, TaskTexts, list_tasks, most_tasks
from tasks_lib.intake.api_tasks.json_members import BY_ELEMENTS
from tasks_lib.intake.api_tasks.json_structs import (
    TypedTasks,
    are_certain,
    decode_tasks,
    objects_of,
)

_FEW_TASKS: Final = 64
_MANY_COLONS: Final = 10_000
_BYTES_OF_FEW: Final = 64 * 2**10
_BYTES_AT_ONCE: Final = 256 * 2**10
_FEW: Final = (_FEW_TASKS, _BYTES_OF_FEW)
_ONE: Final = (1, 0)
_MANY: Final = (1_024, _BYTES_AT_ONCE)

_CUTS: Final = 2
"""How often tasks are read up to one of an odd type, which is then read alone.

It costs little if that one is wrong, but much if many are odd and right.
"""

_CONTAINERS: Final = frozenset({dict, list})
_KINDS: Final[dict[type, frozenset[FieldType]]] = {
    str: frozenset(FieldType) - BY_ELEMENTS,
    bool: FITS[FieldType.BOOLEAN] - BY_ELEMENTS,
    int: FITS[FieldType.INTEGER] - BY_ELEMENTS,
    Digits: FITS[FieldType.NUMBER] - BY_ELEMENTS,
    NoneType: frozenset(FieldType),
}
"""Field types that accept a value of each kind, and whose cell is unambiguous."""


class ReadTasks(NamedTuple):
    """The JSON object of each task (a string array), meaningless if there are ``bad`` tasks.

    ``is_whole`` tells that all tasks were read, and ``is_counted`` that all of them have an object;
    reading stops after enough problems.
    """

    values: pa.Array
    bad: tuple[BadTask, ...] = ()
    is_whole: bool = True
    is_counted: bool = True


def read_tasks(body: bytes, fields: Sequence[Field], limits: Limits) -> ReadTasks:
    """Read and check the tasks of a body, for dataset fields that are not files.

    Raises MalformedBodyError if the body as a whole is invalid.
    """
    most = most_tasks(len(fields), limits)
    typed = None
    if not has_documents(fields) and not _has_surplus_members(body, len(fields)):
        typed = decode_tasks(body, fields, most)
        are_large = typed is not None and len(body) > len(typed.rows) * _BYTES_AT_ONCE
        if typed is not None and not are_large and are_certain(typed, body):
            objects = objects_of(typed, limits.max_cell_bytes)
            if objects is not None:
                return ReadTasks(objects)
    return _read_some_at_once(list_tasks(body, most), typed, fields, limits)


def _has_surplus_members(body: bytes, field_count: int) -> bool:
    """Tell whether a body seems to have far more members than fields: then tasks have some twice.

    It is only a guess, from a part in the middle: texts have colons, too.
    """
    colons = count(":", body)
    if colons <= _MANY_COLONS:
        return False
    most = 1 + min(count("{", body) // 2, MAX_TASKS) * (1 + field_count)
    many = _MANY_COLONS + 4 * most
    part = body[len(body) // 2 :][:_BYTES_OF_FEW]
    return colons > many and part.count(b'":') * len(body) > many * len(part)


def _read_some_at_once(
    listed: TaskTexts, typed: TypedTasks | None, fields: Sequence[Field], limits: Limits
) -> ReadTasks:
    """Read tasks, some at once, until there are many problems; those with problems one by one.

    ``typed`` are the objects of the first ones, if they are known.
    """
    closely = CloseReader(fields, limits)
    read: list[_Part] = []
    first, doubtful = 0, _FEW_TASKS  # of the tasks before that place, only a few are read at once
    cuts_left, is_odd = _CUTS, False
    while first < len(listed) and not closely.has_enough:
        few = first < doubtful
        some = listed.part(first, *(_ONE if is_odd else _FEW if few else _MANY))
        known = typed.part(first, len(some)) if typed is not None else None
        values = _read_together(some, known, fields, limits, may_cut=cuts_left > 0)
        if values is None and len(some) > 1 and not few:
            doubtful = first + len(some)
            continue
        if values is None:
            values = closely.read(some, first)
        length = len(values)
        is_odd = isinstance(values, TypedTasks) and length < len(some)
        cuts_left -= is_odd
        read.append(_Part(some.part(0, length, sum(some.sizes)), first, values))
        if isinstance(values, TypedTasks):
            for texts in values.documents.values():
                closely.count_documents(texts)
        first += length
    if not closely.bad:
        return _make_objects(read, fields, limits)
    is_whole = first >= len(listed) and listed.is_whole
    return _refuse(len(listed), closely.bad, is_whole=is_whole, is_counted=listed.is_whole)


class _Part(NamedTuple):
    """Tasks, the place of the first of them, and their objects to store or to make these from."""

    tasks: TaskTexts
    first: int
    values: pa.Array | TypedTasks


def _make_objects(parts: Sequence[_Part], fields: Sequence[Field], limits: Limits) -> ReadTasks:
    """Return the objects to store, which are made only now that all tasks are known to be right."""
    closely = CloseReader(fields, limits)
    objects = []
    for tasks, first, values in parts:
        made = values
        if isinstance(values, TypedTasks):
            made = objects_of(values, limits.max_cell_bytes)
            if made is None:
                made = closely.read(tasks, first)
        objects.append(made)
    if closely.bad:
        return _refuse(sum(len(part.tasks) for part in parts), closely.bad)
    return ReadTasks(pa.chunked_array(objects).combine_chunks())


def _refuse(
    count: int, bad: Sequence[BadTask], *, is_whole: bool = True, is_counted: bool = True
) -> ReadTasks:
    return ReadTasks(pa.nulls(count, pa.string()), tuple(bad[:MAX_PROBLEMS]), is_whole, is_counted)


def _read_together(
    tasks: TaskTexts,
    typed: TypedTasks | None,
    fields: Sequence[Field],
    limits: Limits,
    *,
    may_cut: bool,
) -> pa.Array | TypedTasks | None:
    """Return the objects of tasks; None if some are odd or may be wrong.

    ``may_cut``: only the objects before the first task of an odd type may be returned.
    """
    largest = max(tasks.sizes)
    if largest > _BYTES_AT_ONCE:  # a single task
        return None
    body = tasks.body()
    if largest <= limits.max_cell_bytes:
        typed = typed or decode_tasks(body, fields)
        if may_cut and typed is not None and 0 < len(typed) < len(tasks):
            tasks = tasks.part(0, len(typed), sum(tasks.sizes))
            typed, body = typed.part(0, len(typed)), tasks.body()
        if typed is not None and len(typed) == len(tasks) and are_certain(typed, body):
            return typed
        spelled = _decode_spelled(body, typed, fields, len(tasks))
        if spelled is not None and are_certain(spelled, body):
            return spelled
    if any(field.type in BY_ELEMENTS for field in fields):
        return None
    return _read_regular(body, fields, limits)


def _decode_spelled(
    body: bytes, typed: TypedTasks | None, fields: Sequence[Field], count: int
) -> TypedTasks | None:
    """Decode tasks whose numbers may be strings; None if nothing tells that some are.

    An object that has its type may still have a string for a number that has bounds.
    """
    has_its_type = typed is not None and len(typed) == count
    bounded = (field for field in fields if field.type is FieldType.NUMBER and field.constraints)
    if has_its_type and not any(bounded):
        return None
    return decode_tasks(body, fields, spelled=True)


def _read_regular(body: bytes, fields: Sequence[Field], limits: Limits) -> pa.Array | None:
    """Return the JSON objects of tasks; None if they have different shapes or may be wrong."""
    read = Body(body)  # raises an error for what is no valid JSON
    for document in read.readings():
        tasks = document["tasks"]
        columns = _regular_columns(tasks, fields, body)
        if columns is not None:
            values, problems = shape_tasks(columns, fields, len(tasks), limits)
            return values if not problems else None
        if _holds_containers(tasks):
            return None
    return None


def _holds_containers(tasks: Sequence[Any]) -> bool:
    """Tell whether a task has an array or an object as a value, which reading exactly leaves so."""
    rows = [task.get("fields") for task in tasks if type(task) is dict]
    return any(
        type(value) in _CONTAINERS for row in rows if type(row) is dict for value in row.values()
    )


def _regular_columns(
    tasks: Sequence[Any], fields: Sequence[Field], body: bytes
) -> list[pa.Array] | None:
    """Return the cells of each field; None if tasks have different shapes or may be wrong."""
    if has_nul(body) or not all(type(task) is dict and len(task) == 1 for task in tasks):
        return None
    rows = [task.get("fields") for task in tasks]
    names = {field.name for field in fields}
    if not all(type(row) is dict and row.keys() <= names for row in rows):
        return None
    columns = []
    for field in fields:
        cells = _regular_cells([row.get(field.name) for row in rows], field, body)
        if cells is None:
            return None
        columns.append(cells)
    return columns


def _regular_cells(values: list[Any], field: Field, body: bytes) -> pa.Array | None:
    kinds = set(map(type, values))
    if not all(field.type in _KINDS.get(kind, ()) for kind in kinds):
        return None
    if NoneType in kinds and field.required:
        return None
    if int in kinds and 0 in values and b"-0" in body:  # the sign of a zero may have been lost
        return None
    if kinds <= {str, Digits}:
        return pa.array(values, pa.string())
    return pa.array([_cell(value) for value in values], pa.string())


def _cell(value: str | int | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if type(value) is bool else str(value)
