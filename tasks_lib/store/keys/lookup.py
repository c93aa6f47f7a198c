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
from tasks_lib.store.keys.found_tasks import SEPARATOR, FoundTasks, find_differing, join
from tasks_lib.store.keys.successive import SuccessiveTasks

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, np.dtype[np.int64]]

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
    *,
    successive: SuccessiveTasks | None = None,
) -> KnownTasks:
    """Find the pipeline's tasks that have these different keys, and compare their values.

    ``successive`` finds most of them if the batches of a source come in the order of their tasks.
    """
    found = successive.find(keys, predefined) if successive is not None else []
    left = _without(np.arange(len(keys)), found)
    retired = of_retired = np.array([], np.int64)
    if len(left):
        some = keys.take(pa.array(left)) if found else keys
        objects = predefined.take(pa.array(left)) if found else predefined
        find = _find_on_postgresql if is_postgresql(session) else _find_on_sqlite
        looked_up, has_retired = find(session, pipeline_id, some, objects)
        if successive is not None and not successive.follows:
            successive.learn(looked_up.task_ids[np.argsort(looked_up.positions)])
        found.append(looked_up.at(left))
        if has_retired and len(looked_up.positions) < len(left):
            retired = _without(np.arange(len(keys)), found)
            places, of_retired = retired_keys.find(
                session, pipeline_id, keys.take(pa.array(retired)).to_pylist()
            )
            retired = retired[places]  # after the tasks: a task can be erased meanwhile
    return KnownTasks(
        np.concatenate([*(some.positions for some in found), retired]),
        np.concatenate([*(some.task_ids for some in found), of_retired]),
        _find_changed(found, predefined, same_values),
        np.concatenate([np.array([], np.int64), *(some.withdrawn_ids for some in found)]),
    )


def _without(positions: "Numbers", found: Sequence[FoundTasks]) -> "Numbers":
    is_left = np.ones(len(positions), dtype=bool)
    for some in found:
        is_left[some.positions] = False
    return positions[is_left]


def _find_changed(
    found: Sequence[FoundTasks], predefined: pa.Array, same_values: SameValues
) -> "Numbers":
    changed = []
    for some in found:
        after = predefined.take(pa.array(some.differing)).to_pylist()
        compared = zip(some.differing.tolist(), some.before, after, strict=True)
        changed += [place for place, old, new in compared if not same_values(old, new)]
    return np.array(changed, np.int64)


def _find_on_postgresql(
    session: Session, pipeline_id: int, keys: pa.Array, predefined: pa.Array
) -> tuple[FoundTasks, bool]:
    """Find the tasks by one statement that returns one row: fetching thousands takes longer.

    Returns also whether keys of the pipeline are retired.
    """
    row = (
        postgres_connection(session)
        .execute(_FIND, (pipeline_id, join(keys), join(predefined), pipeline_id), prepare=False)
        .fetchone()
    )
    assert row is not None  # noqa: S101
    positions, ids, differing, before, withdrawn, has_retired = row
    found = FoundTasks(
        _numbers(positions),
        _numbers(ids),
        np.array(differing or [], np.int64),
        before.split(SEPARATOR) if before else [],
        _numbers(withdrawn),
    )
    return found, bool(has_retired)


def _find_on_sqlite(
    session: Session, pipeline_id: int, keys: pa.Array, predefined: pa.Array
) -> tuple[FoundTasks, bool]:
    """Find the tasks by one statement, too: SQLite lets other threads of Python work meanwhile."""
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101
    parameters = (_json_array(keys), pipeline_id)
    positions, ids, before, withdrawn = connection.execute(_FIND_ON_SQLITE, parameters).fetchone()
    found = _numbers(positions)
    differing, texts = find_differing(before, predefined, found) if len(found) else (found, [])
    return (
        FoundTasks(found, _numbers(ids), differing, texts, _numbers(withdrawn)),
        retired_keys.has_any(session, pipeline_id),
    )


def _json_array(texts: pa.Array) -> str:
    """Return a JSON array of texts without control characters."""
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", r"\\"), '"', r"\"")
    whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), escaped)
    joined: str = pc.binary_join(whole, '","')[0].as_py()
    return f'["{joined}"]'


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

_FIND_ON_SQLITE: Final = f"""
    SELECT group_concat(sent.key), group_concat(tasks.id),
        CAST(group_concat(tasks.predefined, char(2)) AS BLOB),
        group_concat(tasks.id) FILTER (WHERE tasks.status = '{TaskStatus.WITHDRAWN}')
    FROM json_each(?) AS sent CROSS JOIN tasks
        ON tasks.pipeline_id = ? AND tasks.key = sent.value
    """  # noqa: S608 - our own names
"""The order of a cross join makes SQLite look each key up in the index."""
