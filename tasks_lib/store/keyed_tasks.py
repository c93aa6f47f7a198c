"""Insert tasks into a pipeline with a key: each key once, however many transactions insert it.

On PostgreSQL a long load first collects its new tasks in a temporary table, without any lock. At
the end it takes the lock of the pipeline's keys and copies them, so that others wait only for the
copying. A short transaction takes the lock at once, as SQLite always does. The unique index on
pipeline and key is what forbids two tasks with the same key; the lock only orders transactions that
would otherwise wait for each other's rows, and lets both succeed.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import RejectedError
from tasks_lib.store import queues
from tasks_lib.store.bulk import insert_rows, postgres_connection
from tasks_lib.store.dialect import is_postgresql

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, np.dtype[np.int64]]

_SEPARATOR: Final = "\x02"
_LOCK: Final = 0x5EED << 48
"""Above the numbers of pipelines, and different from the other advisory locks."""

_SQLITE_KEYS: Final = 500
_PAGES_AT_ONCE: Final = 1_000
"""Of the collected rows: the trigger that checks the groups of tasks keeps those of a statement."""

_PAGE_BITS: Final = 16

SameValues = Callable[[str, str], bool]
"""Returns whether two JSON objects hold equal values."""


class DuplicateKeysError(RejectedError):
    """Two rows of one source have the same key; the caller rolls back."""

    def __init__(self) -> None:
        super().__init__("two rows of the source have the same key")


class KnownTasks(NamedTuple):
    """Rows whose keys are those of tasks: their positions in the batch, and the tasks' ids.

    ``changed`` are the positions of those whose values differ from the task's.
    """

    positions: "Numbers"
    task_ids: "Numbers"
    changed: "Numbers"


class KeyedTasks(NamedTuple):
    """Tasks with keys to insert: their rows (int64), JSON objects and keys (strings), and origins.

    ``origins`` are the ids of the dataset rows or source tasks, if there are any.
    """

    rows: pa.Array
    predefined: pa.Array
    keys: pa.Array
    origins: pa.Array | None = None

    @property
    def arrays(self) -> list[pa.Array]:
        """The arrays that are not None."""
        return [array for array in self if array is not None]

    def filter(self, mask: pa.Array) -> "KeyedTasks":
        """Return the tasks for which the mask is true."""
        return KeyedTasks(*(array.filter(mask) for array in self.arrays))


def insert_keyed(
    session: Session,
    tasks: KeyedTasks,
    *,
    pipeline_id: int,
    group_id: int,
    status: TaskStatus,
    stream_id: int | None = None,
) -> int:
    """Insert tasks whose keys are new, which the caller has made sure of; return their number."""
    constants = _constants(pipeline_id, group_id, status, stream_id)
    arrays = tasks.arrays
    with queues.keep_open(session, pipeline_id):
        return insert_rows(session, "tasks", constants, _COLUMNS[: len(arrays)], [arrays])


def _constants(
    pipeline_id: int, group_id: int, status: TaskStatus, stream_id: int | None
) -> dict[str, int | str]:
    constants: dict[str, int | str] = {
        "pipeline_id": pipeline_id,
        "group_id": group_id,
        "status": status.value,
    }
    return constants if stream_id is None else constants | {"stream_id": stream_id}


class KeyedInsert:
    """Inserts batches of tasks into a group, in the caller's transaction, and counts known keys.

    With ``takes_lock`` other transactions that insert keys of this pipeline wait from the first
    batch until the transaction ends, otherwise, on PostgreSQL, from ``finish`` on. With
    ``allows_repeats`` a row whose key an earlier row has counts as known; otherwise
    DuplicateKeysError is raised.
    """

    def __init__(
        self,
        session: Session,
        *,
        pipeline_id: int,
        group_id: int,
        status: TaskStatus,
        stream_id: int | None,
        same_values: SameValues,
        takes_lock: bool,
        allows_repeats: bool = False,
    ) -> None:
        self.created = self.already_seeded = self.changed = 0
        self._session = session
        self._pipeline_id = pipeline_id
        self._group_id = group_id
        self._status = status
        self._stream_id = stream_id
        self._same_values = same_values
        self._allows_repeats = allows_repeats
        self._collects = is_postgresql(session) and not takes_lock
        self._collected = 0
        self._width = 0
        self._seen = _Ids()
        if takes_lock:
            lock_keys(session, pipeline_id)
        self._looks_up = allows_repeats or _has_keys(session, pipeline_id)
        if self._collects:
            session.execute(_COLLECT)

    def add(self, tasks: KeyedTasks) -> None:
        """Insert those of the tasks whose keys are new, and count the others."""
        is_first = _find_first(tasks.keys)
        if is_first is None:
            self._add_different(tasks)
            return
        if not self._allows_repeats:
            raise DuplicateKeysError
        self._add_different(tasks.filter(is_first))
        self.add(tasks.filter(pc.invert(is_first)))

    def _add_different(self, tasks: KeyedTasks) -> None:
        if self._looks_up:
            tasks = self._leave_out_known(tasks)
        if len(tasks.rows):
            self._insert(tasks)

    def finish(self) -> None:
        """Copy what was collected; afterwards the counts are complete."""
        if not self._collects:
            return
        lock_keys(self._session, self._pipeline_id)
        if self._collected:
            self.created = self._copy_collected()
            if self.created < self._collected:
                self._count_conflicts()
        self._session.execute(_DROP)

    def _leave_out_known(self, tasks: KeyedTasks) -> KeyedTasks:
        known = find_known(
            self._session, self._pipeline_id, tasks.keys, tasks.predefined, self._same_values
        )
        if not len(known.positions):
            return tasks
        if not self._allows_repeats and not self._seen.add(known.task_ids):
            raise DuplicateKeysError
        self.changed += len(known.changed)
        self.already_seeded += len(known.positions) - len(known.changed)
        is_new = np.ones(len(tasks.rows), dtype=bool)
        is_new[known.positions] = False
        return tasks.filter(pa.array(is_new))

    def _insert(self, tasks: KeyedTasks) -> None:
        arrays = tasks.arrays
        self._width = len(arrays)
        if self._collects:
            columns = _COLUMNS[: self._width]
            self._collected += insert_rows(self._session, "collected_tasks", {}, columns, [arrays])
            return
        try:
            self.created += insert_keyed(
                self._session,
                tasks,
                pipeline_id=self._pipeline_id,
                group_id=self._group_id,
                status=self._status,
                stream_id=self._stream_id,
            )
        except sqlite3.IntegrityError as error:
            if "tasks.key" not in str(error):
                raise
            raise DuplicateKeysError from error

    def _copy_collected(self) -> int:
        constants = _constants(self._pipeline_id, self._group_id, self._status, self._stream_id)
        names = ", ".join([*constants, *_COLUMNS[: self._width]])
        values = [repr(value) for value in constants.values()]
        chosen = ["row", "CAST(predefined AS json)", "key", "origin_id"][: self._width]
        statement = (
            f"INSERT INTO tasks ({names}) SELECT {', '.join([*values, *chosen])}"  # noqa: S608
            " FROM collected_tasks WHERE ctid >= CAST(%s AS tid) AND ctid < CAST(%s AS tid)"
            " ON CONFLICT (pipeline_id, key) WHERE key IS NOT NULL DO NOTHING"
        ).encode()
        pages, count = self._session.scalar(_PAGES) or 0, 0
        with queues.keep_open(self._session, self._pipeline_id):
            for first in range(0, pages, _PAGES_AT_ONCE):
                place = (f"({first},0)", f"({first + _PAGES_AT_ONCE},0)")
                count += postgres_connection(self._session).execute(statement, place).rowcount
        return count

    def _count_conflicts(self) -> None:
        """Count the collected rows whose keys others have inserted meanwhile."""
        if self._session.scalar(_REPEATED) is not None:
            raise DuplicateKeysError
        parameters = {"pipeline_id": self._pipeline_id, "group_id": self._group_id}
        with self._session.execute(_CONFLICTS, parameters) as rows:
            for before, after in rows:
                if self._same_values(before, after):
                    self.already_seeded += 1
                else:
                    self.changed += 1


def lock_keys(session: Session, pipeline_id: int) -> None:
    """Let no other transaction insert keys into the pipeline until this one ends.

    On SQLite the write lock does that.
    """
    if is_postgresql(session):
        session.execute(_TAKE_LOCK, {"lock": _LOCK + pipeline_id})


def find_known(
    session: Session,
    pipeline_id: int,
    keys: pa.Array,
    predefined: pa.Array,
    same_values: SameValues,
) -> KnownTasks:
    """Find the pipeline's tasks that have these different keys, and compare their values."""
    find = _find_on_postgresql if is_postgresql(session) else _find_on_sqlite
    positions, task_ids, differing, before = find(session, pipeline_id, keys, predefined)
    after = predefined.take(pa.array(differing, pa.int64())).to_pylist()
    changed = [
        position
        for position, old, new in zip(differing, before, after, strict=True)
        if not same_values(old, new)
    ]
    return KnownTasks(positions, task_ids, np.array(changed, np.int64))


_Found = tuple["Numbers", "Numbers", Sequence[int], Sequence[str]]
"""Positions and ids of tasks with the keys; positions and texts of those with another text."""


def _find_on_postgresql(
    session: Session, pipeline_id: int, keys: pa.Array, predefined: pa.Array
) -> _Found:
    """Find the tasks by one statement that returns one row: fetching thousands takes longer."""
    row = (
        postgres_connection(session)
        .execute(_FIND, (_join(keys), _join(predefined), pipeline_id), prepare=False)
        .fetchone()
    )
    assert row is not None  # noqa: S101
    positions, ids, differing, before = row
    return _numbers(positions), _numbers(ids), differing or (), before or ()


def _find_on_sqlite(
    session: Session, pipeline_id: int, keys: pa.Array, predefined: pa.Array
) -> _Found:
    connection = session.connection().connection.driver_connection
    assert connection is not None  # noqa: S101
    positions, ids, differing, before = [], [], [], []
    listed, texts = keys.to_pylist(), predefined.to_pylist()
    for first in range(0, len(listed), _SQLITE_KEYS):
        some = listed[first : first + _SQLITE_KEYS]
        place_of = {key: first + place for place, key in enumerate(some)}
        marks = ",".join("?" * len(some))
        for task_id, key, text_before in connection.execute(
            "SELECT id, key, predefined FROM tasks"  # noqa: S608 - our own names
            f" WHERE pipeline_id = {pipeline_id:d} AND key IN ({marks})",
            some,
        ):
            place = place_of[key]
            positions.append(place)
            ids.append(task_id)
            if text_before != texts[place]:
                differing.append(place)
                before.append(text_before)
    return np.array(positions, np.int64), np.array(ids, np.int64), differing, before


class _Ids:
    """A set of ids of one pipeline's tasks, which lie close together: a bit for each."""

    def __init__(self) -> None:
        self._pages: dict[int, Any] = {}

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


def _find_first(keys: pa.Array) -> pa.Array | None:
    """Return which keys do not occur earlier in the array; None if all are different."""
    encoded = pc.dictionary_encode(keys)
    if len(encoded.dictionary) == len(keys):
        return None
    _, firsts = np.unique(encoded.indices.to_numpy(), return_index=True)
    is_first = np.zeros(len(keys), dtype=bool)
    is_first[firsts] = True
    return pa.array(is_first)


def _has_keys(session: Session, pipeline_id: int) -> bool:
    return bool(session.scalar(_HAS_KEYS, {"pipeline_id": pipeline_id}))


def _join(texts: pa.Array) -> str:
    return _SEPARATOR.join(texts.to_pylist())


def _numbers(joined: str | None) -> "Numbers":
    return np.fromstring(joined or "", dtype=np.int64, sep=",")


_TAKE_LOCK: Final = text("SELECT pg_advisory_xact_lock(:lock)")
_HAS_KEYS: Final = text(
    "SELECT EXISTS (SELECT 1 FROM tasks WHERE pipeline_id = :pipeline_id AND key IS NOT NULL)"
)
_COLUMNS: Final = ("row", "predefined", "key", "origin_id")
_COLLECT: Final = text(
    "CREATE TEMPORARY TABLE collected_tasks (row BIGINT NOT NULL, predefined TEXT NOT NULL,"
    ' key TEXT COLLATE "C" NOT NULL, origin_id BIGINT) ON COMMIT DROP'
)
_PAGES: Final = text(
    "SELECT pg_relation_size('collected_tasks') / CAST(current_setting('block_size') AS bigint)"
)
_DROP: Final = text("DROP TABLE collected_tasks")
_REPEATED: Final = text("SELECT 1 FROM collected_tasks GROUP BY key HAVING count(*) > 1 LIMIT 1")
_CONFLICTS: Final = text(
    "SELECT CAST(t.predefined AS text), c.predefined FROM collected_tasks c"
    " JOIN tasks t ON t.pipeline_id = :pipeline_id AND t.key = c.key"
    " WHERE t.group_id <> :group_id"
).execution_options(yield_per=5_000)
_FIND: Final = rb"""
    SELECT string_agg(CAST(found.place - 1 AS text), ','), string_agg(CAST(found.id AS text), ','),
        array_agg(found.place - 1) FILTER (WHERE found.before <> found.after),
        array_agg(found.before) FILTER (WHERE found.before <> found.after)
    FROM (
        SELECT sent.place, sent.predefined AS after, known.id, known.before
        FROM unnest(string_to_array(%s, E'\x02'), string_to_array(%s, E'\x02'))
            WITH ORDINALITY AS sent (key, predefined, place)
        CROSS JOIN LATERAL (
            SELECT tasks.id, CAST(tasks.predefined AS text) AS before FROM tasks
            WHERE tasks.pipeline_id = %s AND tasks.key = sent.key LIMIT 1
        ) AS known
    ) AS found
    """
"""The subquery with its limit makes PostgreSQL look each key up in the index."""
