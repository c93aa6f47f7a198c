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
from tasks_lib.intake.api_tasks.json_bodies import CLOSE_BYTES, Body, count
from tasks_lib.intake.api_tasks.json_cells import (
    BY_ELEMENTS,
    MAX_PROBLEMS,
    BadTask,
    CloseReader,
    shape_tasks,
)
from tasks_lib.intake.api_tasks.json_lists import MAX_TASKS, TaskTexts, list_tasks
from tasks_lib.intake.api_tasks.json_structs import task_objects
from tasks_lib.intake.api_tasks.json_suspects import (
    document_objects,
    find_doubled,
    find_suspects,
    has_documents,
    look_at,
)

_FEW_TASKS: Final = 64
_MEMBER: Final = b'"fields"'
_MANY_COLONS: Final = 10_000
_TASKS_AT_ONCE: Final = 1_024
_BYTES_OF_FEW: Final = 64 * 2**10
_BYTES_AT_ONCE: Final = 256 * 2**10

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
    if has_documents(fields):
        return _read_documents(body, fields, limits)
    braces = count("{", body)
    if braces <= 1 + 2 * MAX_TASKS:  # otherwise there may be too many
        if not _has_surplus_members(body, 1 + braces // 2 * (1 + len(fields))):
            objects = _read_quickly(body, fields, limits)
            if objects is not None:
                return ReadTasks(objects)
        return read_some_at_once(list_tasks(body), fields, limits)
    listed = list_tasks(body)
    objects = _read_quickly(body, fields, limits) if listed.is_whole else None
    return ReadTasks(objects) if objects is not None else read_some_at_once(listed, fields, limits)


def _read_documents(body: bytes, fields: Sequence[Field], limits: Limits) -> ReadTasks:
    look = look_at(body, fields, limits) if body.count(_MEMBER) > 1 else None
    if look is None:
        return read_some_at_once(list_tasks(body), fields, limits)
    suspects = find_suspects(look, limits)
    suspect = next(suspects, None)
    objects = document_objects(look, body, limits) if suspect is None else None
    if objects is not None:
        return ReadTasks(objects)
    listed = list_tasks(body)
    if len(body) > CLOSE_BYTES:
        while suspect is not None:
            if _is_wrong(listed, suspect, fields, limits):
                return _read_from(suspect, listed, fields, limits)
            suspect = next(suspects, None)
        doubled = find_doubled(look, listed.texts)
        if doubled is not None and _is_wrong(listed, doubled, fields, limits):
            return _read_from(doubled, listed, fields, limits)
    return read_some_at_once(listed, fields, limits)


def _is_wrong(listed: TaskTexts, place: int, fields: Sequence[Field], limits: Limits) -> bool:
    closely = CloseReader(fields, limits, are_plain=listed.are_plain)
    closely.read(listed.texts[place : place + 1], place)
    return bool(closely.bad)


def _read_from(place: int, listed: TaskTexts, fields: Sequence[Field], limits: Limits) -> ReadTasks:
    return read_some_at_once(listed, fields, limits, first=place)._replace(is_whole=False)


def _has_surplus_members(body: bytes, most: int) -> bool:
    """Tell whether a body seems to have far more members than these: then tasks have some twice.

    It is only a guess, from a part in the middle: texts have colons, too.
    """
    many = _MANY_COLONS + 4 * most
    if count(":", body) <= many:
        return False
    part = body[len(body) // 2 :][:_BYTES_OF_FEW]
    return part.count(b'":') * len(body) > many * len(part)


def _read_quickly(body: bytes, fields: Sequence[Field], limits: Limits) -> pa.Array | None:
    return task_objects(body, fields, max_tasks=MAX_TASKS, max_cell_bytes=limits.max_cell_bytes)


def _read_regular(
    tasks: Sequence[bytes], fields: Sequence[Field], limits: Limits
) -> pa.Array | None:
    """Return the JSON objects of tasks; None if they have different shapes or may be wrong."""
    body = b'{"tasks":[' + b",".join(tasks) + b"]}"
    if len(body) > 2 * _BYTES_AT_ONCE:  # a single task
        return None
    objects = _read_quickly(body, fields, limits)
    if objects is not None:
        return objects
    read = Body(body)  # raises an error for what is no valid JSON
    for document in read.readings():
        tasks = document["tasks"]
        columns = _regular_columns(tasks, fields, read.text)
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


def read_some_at_once(
    listed: TaskTexts, fields: Sequence[Field], limits: Limits, first: int = 0
) -> ReadTasks:
    """Read tasks, some at once, until there are many problems; those with problems one by one.

    The tasks before the place ``first`` are left out.
    """
    tasks = listed.texts
    closely = CloseReader(fields, limits, are_plain=listed.are_plain)
    values: list[pa.Array] = []
    may_be_regular = not any(field.type in BY_ELEMENTS for field in fields)
    count = _FEW_TASKS
    while first < len(tasks) and not closely.has_enough:
        room = _BYTES_OF_FEW if count == _FEW_TASKS else _BYTES_AT_ONCE
        some = _up_to(tasks[first : first + count], room)
        objects = _read_regular(some, fields, limits) if may_be_regular else None
        if objects is None and may_be_regular and count > _FEW_TASKS:
            count = _FEW_TASKS
            continue
        is_regular = objects is not None
        if objects is None:
            objects = closely.read(some, first)
        if is_regular or not may_be_regular:
            count = _TASKS_AT_ONCE
        values.append(objects)
        first += len(objects)
    if closely.bad:
        nothing = pa.nulls(len(tasks), pa.string())
        is_whole = first == len(tasks) and listed.is_whole
        return ReadTasks(nothing, tuple(closely.bad[:MAX_PROBLEMS]), is_whole, listed.is_whole)
    return ReadTasks(pa.chunked_array(values).combine_chunks())


def _up_to(tasks: Sequence[bytes], room: int) -> Sequence[bytes]:
    """Return the first tasks, at least one, of not many bytes."""
    count = 0
    for task in tasks:
        room -= len(task)
        if count and room < 0:
            break
        count += 1
    return tasks[:count]
