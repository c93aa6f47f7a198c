"""Look the keys of many rows up at once, and compare the rows with the tasks that have them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.keys import retired as retired_keys

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, np.dtype[np.int64]]

_SEPARATOR: Final = "\x02"
_SQLITE_KEYS: Final = 500
_PAGE_BITS: Final = 16

SameValues = Callable[[str, str], bool]
"""Returns whether two JSON objects hold equal values."""


class KnownTasks(NamedTuple):
    """Rows whose keys are those of tasks: their positions in the batch, and the tasks' ids.

    These include tasks that were deleted or erased, whose rows are not compared. ``changed`` are
    the positions of those whose values differ from the task's, and ``withdrawn_ids`` the ids of
    tasks that are withdrawn.
    """

    positions: "Numbers"
    task_ids: "Numbers"
    changed: "Numbers"
    withdrawn_ids: "Numbers"

    @property
    def changed_ids(self) -> "Numbers":
        """The ids of the tasks whose values differ, in the order of ``changed``."""
        by_position = dict(zip(self.positions.tolist(), self.task_ids.tolist(), strict=True))
        return np.array([by_position[place] for place in self.changed.tolist()], np.int64)


def find_known(
    session: Session,
    pipeline_id: int,
    keys: pa.Array,
    predefined: pa.Array,
    same_values: SameValues,
) -> KnownTasks:
    """Find the pipeline's tasks that have these different keys, and compare their values."""
    find = _find_on_postgresql if is_postgresql(session) else _find_on_sqlite
    found = find(session, pipeline_id, keys, predefined)
    positions, task_ids, differing, before, withdrawn, has_retired = found
    if has_retired and len(positions) < len(keys):
        retired, of_retired = _find_retired(session, pipeline_id, keys, positions)
        positions = np.concatenate([positions, retired])
        task_ids = np.concatenate([task_ids, of_retired])
    after = predefined.take(pa.array(differing, pa.int64())).to_pylist()
    changed = [
        position
        for position, old, new in zip(differing, before, after, strict=True)
        if not same_values(old, new)
    ]
    return KnownTasks(positions, task_ids, np.array(changed, np.int64), withdrawn)


_Found = tuple["Numbers", "Numbers", Sequence[int], Sequence[str], "Numbers", bool]
"""Positions and ids of tasks with the keys; positions and texts of those with another text; ids
of those that are withdrawn; and whether keys of the pipeline are retired."""


def _find_retired(
    session: Session, pipeline_id: int, keys: pa.Array, positions: "Numbers"
) -> "tuple[Numbers, Numbers]":
    """Find the retired ones of the other keys, after the tasks: a task can be erased meanwhile."""
    is_left = np.ones(len(keys), dtype=bool)
    is_left[positions] = False
    left = np.flatnonzero(is_left)
    places, task_ids = retired_keys.find(session, pipeline_id, keys.take(left).to_pylist())
    return left[places], task_ids


def _find_on_postgresql(
    session: Session, pipeline_id: int, keys: pa.Array, predefined: pa.Array
) -> _Found:
    """Find the tasks by one statement that returns one row: fetching thousands takes longer."""
    row = (
        postgres_connection(session)
        .execute(_FIND, (pipeline_id, _join(keys), _join(predefined), pipeline_id), prepare=False)
        .fetchone()
    )
    assert row is not None  # noqa: S101
    positions, ids, differing, before, withdrawn, has_retired = row
    return (
        _numbers(positions),
        _numbers(ids),
        differing or (),
        before.split(_SEPARATOR) if before else (),
        _numbers(withdrawn),
        bool(has_retired),
    )


def _find_on_sqlite(
    session: Session, pipeline_id: int, keys: pa.Array, predefined: pa.Array
) -> _Found:
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101
    positions, ids, differing, before, withdrawn = [], [], [], [], []
    listed, texts = keys.to_pylist(), predefined.to_pylist()
    for first in range(0, len(listed), _SQLITE_KEYS):
        some = listed[first : first + _SQLITE_KEYS]
        place_of = {key: first + place for place, key in enumerate(some)}
        marks = ",".join("?" * len(some))
        for task_id, key, text_before, status in connection.execute(
            "SELECT id, key, predefined, status FROM tasks"  # noqa: S608 - our own names
            f" WHERE pipeline_id = {pipeline_id:d} AND key IN ({marks})",
            some,
        ):
            place = place_of[key]
            positions.append(place)
            ids.append(task_id)
            if status == TaskStatus.WITHDRAWN:
                withdrawn.append(task_id)
            if text_before != texts[place]:
                differing.append(place)
                before.append(text_before)
    return (
        np.array(positions, np.int64),
        np.array(ids, np.int64),
        differing,
        before,
        np.array(withdrawn, np.int64),
        retired_keys.has_any(session, pipeline_id),
    )


class Ids:
    """A set of ids of one pipeline's tasks, which lie close together: a bit for each."""

    def __init__(self) -> None:
        self._pages: dict[int, Any] = {}

    def contain(self, ids: "Numbers") -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Return which of these ids were added."""
        pages, offsets = ids >> _PAGE_BITS, ids & ((1 << _PAGE_BITS) - 1)
        are_there = np.zeros(len(ids), dtype=bool)
        for page in np.unique(pages):
            bits = self._pages.get(int(page))
            if bits is not None:
                of_page = pages == page
                places = offsets[of_page]
                are_there[of_page] = (bits[places >> 3] >> (places & 7)) & 1 == 1
        return are_there

    def add(self, ids: "Numbers") -> bool:
        """Add ids; return False if one of them was there before."""
        ordered = np.sort(ids)
        if (ordered[1:] == ordered[:-1]).any():
            return False
        pages = ordered >> _PAGE_BITS
        is_new = True
        for page in np.unique(pages):
            bits = self._pages.setdefault(int(page), np.zeros(1 << (_PAGE_BITS - 3), np.uint8))
            offsets = ordered[pages == page] & ((1 << _PAGE_BITS) - 1)
            masks = np.left_shift(1, offsets & 7).astype(np.uint8)
            is_new = is_new and not (bits[offsets >> 3] & masks).any()
            np.bitwise_or.at(bits, offsets >> 3, masks)
        return is_new


def _join(texts: pa.Array) -> bytes:
    """Return the texts as one, in UTF-8; Arrow joins and encodes them faster than Python."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return bytes(pc.binary_join(whole, _SEPARATOR)[0].as_buffer())


def _numbers(joined: str | None) -> "Numbers":
    return np.fromstring(joined or "", dtype=np.int64, sep=",")


_SENT: Final = r"string_to_table(convert_from(%b, 'UTF8'), E'\x02')"
_FIND: Final = rf"""
    SELECT string_agg(CAST(found.place - 1 AS text), ','), string_agg(CAST(found.id AS text), ','),
        array_agg(found.place - 1) FILTER (WHERE found.before <> found.after),
        string_agg(found.before, E'\x02') FILTER (WHERE found.before <> found.after),
        string_agg(CAST(found.id AS text), ',')
            FILTER (WHERE found.status = '{TaskStatus.WITHDRAWN}'),
        EXISTS (SELECT 1 FROM retired_keys WHERE retired_keys.pipeline_id = %s)
    FROM (
        SELECT sent.place, sent.predefined AS after, known.id, known.before, known.status
        FROM ROWS FROM ({_SENT}, {_SENT})
            WITH ORDINALITY AS sent (key, predefined, place)
        CROSS JOIN LATERAL (
            SELECT tasks.id, CAST(tasks.predefined AS text) AS before, tasks.status FROM tasks
            WHERE tasks.pipeline_id = %s AND tasks.key = sent.key LIMIT 1
        ) AS known
    ) AS found
    """.encode()  # noqa: S608
"""The subquery with its limit makes PostgreSQL look each key up in the index."""
