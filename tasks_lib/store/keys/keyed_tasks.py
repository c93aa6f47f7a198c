"""Insert tasks into a pipeline with a key: each key once, however many transactions insert it.

On PostgreSQL a long load first collects its new tasks in a temporary table, without any lock. At
the end it takes the lock of the pipeline's keys and copies them, so that others wait only for the
copying. A short transaction takes the lock at once, as SQLite always does. The unique index on
pipeline and key is what forbids two tasks with the same key; the lock only orders transactions that
would otherwise wait for each other's rows, and lets both succeed.
"""

import sqlite3
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import RejectedError
from tasks_lib.store.bulk import insert_rows, postgres_connection
from tasks_lib.store.chains.streams import find_origins, has_tasks
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.keys import retired as retired_keys
from tasks_lib.store.keys.existing_tasks import lock_keys
from tasks_lib.store.keys.lookup import Ids, SameValues, find_known
from tasks_lib.store.keys.successive import SuccessiveTasks
from tasks_lib.store.keys.updates import TaskUpdates
from tasks_lib.store.tasks import queues

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, np.dtype[np.int64]]

_PAGES_AT_ONCE: Final = 1_000
"""Of the collected rows: the trigger that checks the groups of tasks keeps those of a statement."""


class DuplicateKeysError(RejectedError):
    """Two rows of one source have the same key; the caller rolls back."""

    def __init__(self) -> None:
        super().__init__("two rows of the source have the same key")


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
        updates: TaskUpdates | None,
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
        self._updates = updates
        self._allows_repeats = allows_repeats
        self._collects = is_postgresql(session) and not takes_lock
        self._collected = 0
        self._width = 0
        self._seen = Ids()
        self._withdrawn: list[Numbers] = []
        if takes_lock:
            lock_keys(session, pipeline_id)
        self._looks_up = allows_repeats or _has_keys(session, pipeline_id)
        self._stream_has_tasks = stream_id is not None and has_tasks(session, stream_id)
        last_id = _LAST_ID_POSTGRESQL if is_postgresql(session) else _LAST_ID_SQLITE
        self._since = session.scalar(last_id) or 0
        self._successive = (
            SuccessiveTasks(session, pipeline_id, last_id=self._since)
            if is_postgresql(session)
            else None
        )
        if self._collects:
            session.execute(_COLLECT)

    def add_all(self, batches: Iterable[KeyedTasks]) -> None:
        """Add the batches and finish; ``batches`` must not use the session.

        The keys of a batch are looked up while the next one is read: each call of ``add`` runs in a
        second thread, and ends before the next one begins. SQLite does without that thread if there
        is nothing to look up: inserting keeps Python busy.
        """
        if is_postgresql(self._session) or self._looks_up:
            with ThreadPoolExecutor(1, thread_name_prefix="seeding-keys") as background:
                adding: Future[None] | None = None
                for tasks in batches:
                    if adding is not None:
                        adding.result()
                    adding = background.submit(self.add, tasks)
                if adding is not None:
                    adding.result()
        else:
            for tasks in batches:
                self.add(tasks)
        self.finish()

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
            retired = retired_keys.leave_out_collected(
                self._session, self._pipeline_id, since=self._since
            )
            self._collected -= retired
            self.already_seeded += retired
            self.created = self._copy_collected()
            if self.created < self._collected:
                self._count_conflicts()
        self._session.execute(_DROP)
        if self._updates is not None:
            self._updates.apply()

    @property
    def seen(self) -> Ids:
        """The ids of the tasks whose keys the source has, except for the new ones."""
        return self._seen

    @property
    def withdrawn_ids(self) -> "Numbers":
        """The ids of the tasks with known keys that are withdrawn."""
        return np.unique(np.concatenate([np.array([], np.int64), *self._withdrawn]))

    def _leave_out_known(self, tasks: KeyedTasks) -> KeyedTasks:
        known = find_known(
            self._session,
            self._pipeline_id,
            tasks.keys,
            tasks.predefined,
            self._same_values,
            successive=self._successive,
        )
        if not len(known.positions):
            return tasks
        if not self._allows_repeats:
            are_own = not self._collects and bool((known.task_ids > self._since).any())
            if are_own or not self._seen.add(known.task_ids):
                raise DuplicateKeysError
        if len(known.withdrawn_ids):
            self._withdrawn.append(known.withdrawn_ids)
        self.changed += len(known.changed)
        self.already_seeded += len(known.positions) - len(known.changed)
        if self._updates is not None and len(known.changed):
            changed = pa.array(known.changed)
            self._updates.collect(
                pa.array(known.changed_ids),
                tasks.rows.take(changed),
                tasks.predefined.take(changed),
            )
            if not self._collects:
                self._updates.apply()
        is_new = np.ones(len(tasks.rows), dtype=bool)
        is_new[known.positions] = False
        return tasks.filter(pa.array(is_new))

    def _insert(self, tasks: KeyedTasks) -> None:
        """Insert tasks; those whose rows the stream has let in with another key are not in it."""
        if self._stream_id is None or not self._stream_has_tasks or tasks.origins is None:
            self._insert_into(tasks, self._stream_id)
            return
        is_in = find_origins(self._session, self._stream_id, tasks.origins)
        for some, stream_id in (
            (tasks.filter(pc.invert(is_in)), self._stream_id),
            (tasks.filter(is_in), None),
        ):
            if len(some.rows):
                self._insert_into(some, stream_id)

    def _insert_into(self, tasks: KeyedTasks, stream_id: int | None) -> None:
        arrays = tasks.arrays
        self._width = len(arrays)
        if self._collects:
            columns = _COLUMNS[: self._width]
            constants = {} if stream_id is None else {"stream_id": stream_id}
            self._collected += insert_rows(
                self._session, "collected_tasks", constants, columns, [arrays]
            )
            return
        try:
            self.created += insert_keyed(
                self._session,
                tasks,
                pipeline_id=self._pipeline_id,
                group_id=self._group_id,
                status=self._status,
                stream_id=stream_id,
            )
        except sqlite3.IntegrityError as error:
            if "tasks.key" not in str(error):
                raise
            raise DuplicateKeysError from error

    def _copy_collected(self) -> int:
        """Copy the collected rows under the lock of the keys; return how many became tasks.

        If the pipeline has no keys even now, only two rows of the source can have the same.
        """
        constants = _constants(self._pipeline_id, self._group_id, self._status, None)
        names = ", ".join([*constants, "stream_id", *_COLUMNS[: self._width]])
        values = [*(repr(value) for value in constants.values()), "stream_id"]
        chosen = _COLUMNS[: self._width]
        may_conflict = self._looks_up or _has_keys(self._session, self._pipeline_id)
        statement = (
            f"INSERT INTO tasks ({names}) SELECT {', '.join([*values, *chosen])}"  # noqa: S608
            " FROM collected_tasks WHERE ctid >= CAST(%s AS tid) AND ctid < CAST(%s AS tid)"
            f"{_SKIP_KNOWN if may_conflict else ''}"
        ).encode()
        pages, count = self._session.scalar(_PAGES) or 0, 0
        with queues.keep_open(self._session, self._pipeline_id):
            for first in range(0, pages, _PAGES_AT_ONCE):
                place = (f"({first},0)", f"({first + _PAGES_AT_ONCE},0)")
                count += self._copy_pages(statement, place)
        return count

    def _copy_pages(self, statement: bytes, place: tuple[str, str]) -> int:
        from psycopg.errors import UniqueViolation  # noqa: PLC0415 - SQLite does not need it

        try:
            return postgres_connection(self._session).execute(statement, place).rowcount
        except UniqueViolation as error:
            if error.diag.constraint_name != _UNIQUE:
                raise
            raise DuplicateKeysError from error

    def _count_conflicts(self) -> None:
        """Count the collected rows whose keys others have inserted meanwhile."""
        if self._session.scalar(_REPEATED) is not None:
            raise DuplicateKeysError
        parameters = {"pipeline_id": self._pipeline_id, "group_id": self._group_id}
        with self._session.execute(_CONFLICTS, parameters) as rows:
            for some in rows.partitions():
                self._seen.add(np.array([task_id for task_id, *_ in some], np.int64))
                changed = [
                    (task_id, row, after)
                    for task_id, row, before, after in some
                    if not self._same_values(before, after)
                ]
                self.changed += len(changed)
                self.already_seeded += len(some) - len(changed)
                if changed and self._updates is not None:
                    task_ids, numbers, values = zip(*changed, strict=True)
                    self._updates.collect(
                        pa.array(task_ids, pa.int64()),
                        pa.array(numbers, pa.int64()),
                        pa.array(values, pa.string()),
                    )


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
    """Return True if a task of the pipeline has a key, or had one when it was deleted."""
    is_there = session.scalar(_HAS_KEYS, {"pipeline_id": pipeline_id})
    return bool(is_there) or retired_keys.has_any(session, pipeline_id)


_HAS_KEYS: Final = text(
    "SELECT EXISTS (SELECT 1 FROM tasks WHERE pipeline_id = :pipeline_id AND key IS NOT NULL)"
)
_LAST_ID_POSTGRESQL: Final = text("SELECT last_value FROM tasks_id_seq")
_LAST_ID_SQLITE: Final = text("SELECT seq FROM sqlite_sequence WHERE name = 'tasks'")
"""The last id ever given, also to a task that was deleted: retired keys name such tasks."""

_COLUMNS: Final = ("row", "predefined", "key", "origin_id")
_UNIQUE: Final = "uq_tasks_pipeline_id_key"
_SKIP_KNOWN: Final = " ON CONFLICT (pipeline_id, key) WHERE key IS NOT NULL DO NOTHING"
"""Costs a quarter of the time of a row, so only where others may have inserted keys."""

_COLLECT: Final = text(
    "CREATE TEMPORARY TABLE collected_tasks (row BIGINT NOT NULL, predefined JSON NOT NULL,"
    ' key TEXT COLLATE "C" NOT NULL, origin_id BIGINT, stream_id BIGINT) ON COMMIT DROP'
)
_PAGES: Final = text(
    "SELECT pg_relation_size('collected_tasks') / CAST(current_setting('block_size') AS bigint)"
)
_DROP: Final = text("DROP TABLE collected_tasks")
_REPEATED: Final = text("SELECT 1 FROM collected_tasks GROUP BY key HAVING count(*) > 1 LIMIT 1")
_CONFLICTS: Final = text(
    "SELECT t.id, c.row, CAST(t.predefined AS text), CAST(c.predefined AS text)"
    " FROM collected_tasks c"
    " JOIN tasks t ON t.pipeline_id = :pipeline_id AND t.key = c.key"
    " WHERE t.group_id <> :group_id"
).execution_options(yield_per=5_000)
