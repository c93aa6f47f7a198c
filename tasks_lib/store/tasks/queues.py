"""The place from which claims look for tasks: the queue of a pipeline, on PostgreSQL.

A claimed task leaves a dead entry in the index. While an old transaction is open, such as that of a
backup, dead entries cannot be removed, and a claim that looked from the first task on would walk
over all of them. So a row says where the queue begins: no task before it is pending, not even in a
transaction that is not committed yet. Code that makes tasks pending moves the beginning
back to them, in the same transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks_lib.store.bulk import postgres_connection
from tasks_lib.store.dialect import is_postgresql

_LAST_ID: Final = b"SELECT last_value FROM tasks_id_seq"
_REOPEN: Final = b"SELECT seeding_reopen_queue(%s, %s)"
"""Both bypass SQLAlchemy, which would take longer than they do: they run for every request."""

_TEND: Final = text("SELECT seeding_tend_queue(:pipeline_id)")


@contextmanager
def keep_open(session: Session, pipeline_id: int) -> Iterator[None]:
    """Insert pending tasks in the block; afterwards the queue does not begin after them.

    While a long load runs, tasks with larger ids can be created and claimed.
    """
    if not is_postgresql(session):
        yield
        return
    connection = postgres_connection(session)
    last_id = connection.execute(_LAST_ID).fetchone()
    yield
    connection.execute(_REOPEN, [pipeline_id, *(last_id or [0])])


def reopen(session: Session, pipeline_id: int, task_id: int) -> None:
    """Let the queue begin with a task that has become pending, if it begins after it."""
    if is_postgresql(session):
        postgres_connection(session).execute(_REOPEN, (pipeline_id, task_id))


def tend(session: Session, pipeline_id: int) -> bool:
    """Let the queue begin with its first pending task, and add up the counts of connections.

    Returns False if others tend the queue or are creating tasks; the next call does it.
    """
    return is_postgresql(session) and bool(session.scalar(_TEND, {"pipeline_id": pipeline_id}))
