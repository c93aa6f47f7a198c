"""Find the tasks of rows that come in the order in which their tasks were created.

Most sources keep the order of their rows from one night to the next. Their tasks then have ids that
follow each other, and PostgreSQL reads those in a third of the time of a look-up in the index of
keys. The guess costs little where it is wrong: it starts with tasks that were looked up and whose
ids did follow each other, and ends with the first rows that it does not find.
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.keys.found_tasks import FoundTasks, are_joined, find_differing, join, split

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, np.dtype[np.int64]]

_MAX_STEP: Final = 4
"""Between the ids of tasks that follow each other; other pipelines' tasks can lie between them."""

_MIN_FOLLOWING: Final = 0.75
"""The share of the tasks of a batch that follow the one before."""

_REST: Final = 8
"""One in so many rows is looked up rather than read with more tasks."""

_MANY_BYTES: Final = 2_048
_MANY_TIMES: Final = 4
"""A row is long if it has more bytes than both allow, the second times the mean of its batch."""


class _Tasks(NamedTuple):
    ids: "Numbers"
    keys: bytes
    predefined: bytes


class SuccessiveTasks:
    """Finds tasks of a pipeline whose ids follow those of the rows before (PostgreSQL).

    ``last_id`` is the last id that any task had when the transaction began.
    """

    def __init__(self, session: Session, pipeline_id: int, *, last_id: int) -> None:
        self._session = session
        self._pipeline_id = pipeline_id
        self._last_id = last_id
        self._after: int | None = None
        self._step = 1.0

    @property
    def follows(self) -> bool:
        """Whether the next tasks are expected to be those of the next rows."""
        return self._after is not None

    def learn(self, task_ids: "Numbers") -> None:
        """Follow these tasks of successive rows, if each follows the one before."""
        self._after = None
        steps = np.diff(task_ids)
        following = steps[(steps > 0) & (steps <= _MAX_STEP)]
        if len(following) and len(following) >= _MIN_FOLLOWING * len(steps):
            self._after, self._step = int(task_ids[-1]), float(following.mean())

    def find(self, keys: pa.Array, predefined: pa.Array) -> list[FoundTasks]:
        """Find tasks with these different keys; those that are not found have to be looked up."""
        found: list[FoundTasks] = []
        left = np.arange(len(keys))
        longest = max(_MANY_BYTES, _MANY_TIMES * predefined.nbytes // max(len(keys), 1))
        while self._after is not None and _REST * len(left) > len(keys):
            is_all = len(left) == len(keys)
            wanted = keys if is_all else keys.take(pa.array(left))
            tasks = self._read(len(wanted), longest)
            places, are_wanted = _match(tasks, wanted)
            if not len(places) or _MAX_STEP * len(places) < len(tasks.ids):
                if not found:
                    self._after = None
                break
            positions, task_ids = left[places], tasks.ids[are_wanted]
            found.append(_compare(tasks, are_wanted, predefined, positions))
            last = int(task_ids.max())
            self._step = min(max((last - self._after) / len(places), 1.0), float(_MAX_STEP))
            self._after = last
            left = np.delete(left, places)
        return found

    def _read(self, count: int, longest: int) -> _Tasks:
        """Read about ``count`` of the next tasks, without long ones: they may not fit in memory.

        Texts stay in UTF-8, which psycopg would decode.
        """
        from psycopg.types.string import ByteaBinaryLoader  # noqa: PLC0415 - SQLite does not need it

        assert self._after is not None  # noqa: S101
        end = min(self._after + int(np.ceil(count * self._step)), self._last_id)
        parameters = (self._after, end, self._pipeline_id, longest, longest)
        with postgres_connection(self._session).cursor(binary=True) as cursor:
            cursor.adapters.register_loader("text", ByteaBinaryLoader)
            row = cursor.execute(_READ, parameters, prepare=False).fetchone()
        assert row is not None  # noqa: S101
        ids, keys, texts = row
        return _Tasks(np.frombuffer(ids or b"", ">i8").astype(np.int64), keys or b"", texts or b"")


def _match(tasks: _Tasks, keys: pa.Array) -> "tuple[Numbers, np.ndarray[Any, np.dtype[np.bool_]]]":
    """Return the places of those keys that the tasks have, and which of the tasks have them."""
    count = len(tasks.ids)
    if not count:
        return np.array([], np.int64), np.array([], np.bool_)
    if count == len(keys) and are_joined(keys, tasks.keys):
        return np.arange(count), np.ones(count, np.bool_)
    places = pc.index_in(split(tasks.keys), value_set=keys)
    are_wanted = places.is_valid().to_numpy(zero_copy_only=False)
    return places.drop_null().to_numpy().astype(np.int64), are_wanted


def _compare(
    tasks: _Tasks,
    are_wanted: "np.ndarray[Any, np.dtype[np.bool_]]",
    predefined: pa.Array,
    positions: "Numbers",
) -> FoundTasks:
    joined = tasks.predefined
    if not are_wanted.all():
        joined = join(split(joined).filter(pa.array(are_wanted)))
    differing, before = find_differing(joined, predefined, positions)
    return FoundTasks(positions, tasks.ids[are_wanted], differing, before, np.array([], np.int64))


_READ: Final = rf"""
    SELECT string_agg(int8send(id), ''), string_agg(key, E'\x02'),
        string_agg(CAST(predefined AS text), E'\x02')
    FROM tasks
    WHERE id > %s AND id <= %s AND pipeline_id + 0 = %s AND key IS NOT NULL
        AND status <> '{TaskStatus.WITHDRAWN}' AND pg_column_size(predefined) <= %s
        AND (pg_column_compression(predefined) IS NULL
            OR octet_length(CAST(predefined AS text)) <= %s)
    """.encode()  # noqa: S608 - our own names
"""The sum keeps PostgreSQL from the index of pipeline and status, which has more to read. Withdrawn
tasks are left to the look-up, which tells them from others."""
