"""Find the tasks in a body, without reading them.

A wrong body can have millions of members, or of elements. msgspec skips values quickly, but the
object of each takes its time, so nothing here makes an object for each of them: a type that knows
the members stops at the first other one, and a list that may be long is counted while it is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from threading import local
from typing import Any, Final

import msgspec
from msgspec import Raw

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import visible
from tasks_lib.domain.rows.json_rows import kind_of
from tasks_lib.errors import MalformedBodyError
from tasks_lib.intake.api_tasks.json_bodies import CLOSE_BYTES, count, read_body_object

MAX_TASKS: Final = 5_000

_FEW_COMMAS: Final = 50_000
_EXPECTED: Final = 'the body must be {"tasks": [{"fields": {...}}, ...]} and nothing else'
NO_TASK: Final = Raw(b"null")
"""Stands for an element of the list that is no task."""

_LIST: Final = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class TaskTexts:
    """The JSON text of each task, as a part of the body that is not copied.

    If they ``are_plain``, it is the text of the only member, ``fields``. Unless the list
    ``is_whole``, the last one is ``NO_TASK``, and others follow.
    """

    raws: Sequence[Raw]
    sizes: Sequence[int]
    is_whole: bool = True
    are_plain: bool = False

    def __len__(self) -> int:
        return len(self.raws)

    def part(self, first: int, count: int, room: int) -> "TaskTexts":
        """Return the tasks from a place on: at least one, at most ``count``, of not many bytes."""
        end = first
        for size in self.sizes[first : first + count]:
            room -= size
            if end > first and room < 0:
                break
            end += 1
        return TaskTexts(self.raws[first:end], self.sizes[first:end], are_plain=self.are_plain)

    def body(self) -> bytes:
        """Return a body that has these tasks."""
        if not self.are_plain:
            return b'{"tasks":[' + b",".join(self.raws) + b"]}"
        return b'{"tasks":[{"fields":' + b'},{"fields":'.join(self.raws) + b"}]}"


def _sizes(raws: Sequence[Raw]) -> list[int]:
    return [memoryview(raw).nbytes for raw in raws]


def most_tasks(field_count: int, limits: Limits) -> int:
    """Return how many tasks with so many fields a request may have."""
    most = max(limits.max_request_values, 1) // max(field_count, 1)
    return min(max(most, 1), MAX_TASKS)


def list_tasks(body: bytes, most: int = MAX_TASKS) -> TaskTexts:
    """Return the text of each task; raise MalformedBodyError for none, or more than ``most``."""
    found, is_whole = _find_tasks(body, _BODY, most)
    listed = _if_once(body, found) if is_whole else None
    if listed is None:
        listed = _list_unusual(body, most)
    if not listed.raws:
        raise MalformedBodyError("the list of tasks is empty", code="no_tasks")
    return listed


def _list_unusual(body: bytes, most: int) -> TaskTexts:
    """List the tasks of a body in which something is odd, or raise an error that names it."""
    members = read_body_object(body, _EXPECTED, names=("tasks",))
    if set(members) != {"tasks"} or members.doubled():
        names = ", ".join(map(visible, islice(members, 5))) or "none"
        raise MalformedBodyError(f"{_EXPECTED}; its members are {names}")
    if members.kind("tasks") is not list:
        kind = kind_of(members.kind("tasks")())
        raise MalformedBodyError(f"{_EXPECTED}; 'tasks' is {kind}")
    text = members.raw("tasks")
    if count(",", text) > _FEW_COMMAS:
        found, is_whole = _find_tasks(text, _TASKS, most)
        if not is_whole:
            raws = [*found, NO_TASK]
            return TaskTexts(raws, _sizes(raws), is_whole=False, are_plain=True)
    raws = _LIST.decode(text)
    if len(raws) > most:
        raise _too_many(most)
    return TaskTexts(raws, _sizes(raws))


def _find_tasks(
    text: bytes, decoder: msgspec.json.Decoder[Any], most: int
) -> tuple[list[Raw], bool]:
    """Return the members ``fields`` of tasks, up to one that is no task; and whether none is."""
    found: list[Raw] = []
    _found.texts, _found.most = found, most
    try:
        decoder.decode(text)
    except _EnoughError:
        raise _too_many(most) from None
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        return found, False
    except msgspec.DecodeError as error:
        if len(text) <= CLOSE_BYTES:
            return found, False  # another parser explains it better
        raise MalformedBodyError(f"the body is not JSON: {error}", code="malformed_json") from None
    finally:
        _found.texts = []
    return found, True


def _if_once(body: bytes, found: list[Raw]) -> TaskTexts | None:
    """Return the tasks if no member besides the fields is there twice; else None.

    Raises MalformedBodyError if the body is too long to say which one.
    """
    sizes = _sizes(found)
    if _is_compact(body, sizes) or count(":", body) == _colons(found):
        return TaskTexts(found, sizes, are_plain=True)
    if len(body) > CLOSE_BYTES:
        message = "the body has the member 'tasks' or 'fields' twice in one object"
        raise MalformedBodyError(message, code="malformed_json")
    return None


def _is_compact(body: bytes, sizes: list[int]) -> bool:
    """Tell whether a body is so short that there is room for nothing but members of these sizes."""
    around = len(b'{"tasks":[]}') + len(sizes) * len(b'{"fields":},') - 1
    return len(body) == around + sum(sizes)


def _colons(found: list[Raw]) -> int:
    """Return the number of colons in a body that has nothing but these members."""
    return 1 + len(found) + count(":", b"".join(found))


def _too_many(most: int) -> MalformedBodyError:
    known = "" if most == MAX_TASKS else ", which is the most for tasks with so many fields"
    message = f"the body holds more than {most:,} tasks{known}; send them in several requests"
    return MalformedBodyError(message, code="too_many_tasks")


class _EnoughError(Exception):
    """Ends the reading of a list that has too many tasks."""


class _Found(local):
    """The members ``fields`` of the tasks that this thread has read, of which it takes ``most``."""

    texts: list[Raw]
    most: int


_found: Final = _Found()


class _Task(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A task, which tells that it was read; msgspec gives no other sign before the list ends."""

    fields: Raw

    def __post_init__(self) -> None:
        if len(_found.texts) == _found.most:
            raise _EnoughError
        _found.texts.append(self.fields)


class _Body(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A body that has no other member."""

    tasks: list[_Task]


_BODY: Final = msgspec.json.Decoder(_Body)
_TASKS: Final = msgspec.json.Decoder(list[_Task])
