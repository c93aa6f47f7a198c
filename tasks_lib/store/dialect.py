"""Statements that PostgreSQL and SQLite write differently."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import TableClause
from sqlalchemy.orm import Session

from tasks_lib.store.tables.base import Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def is_postgresql(session: Session) -> bool:
    """Return True if the session's database is PostgreSQL, False if it is SQLite."""
    return session.get_bind().dialect.name == "postgresql"


def upsert(
    session: Session,
    table: type[Table] | TableClause,
    unique: Sequence[str],
    *,
    update: Sequence[str] = (),
) -> "postgresql.Insert | sqlite.Insert":
    """Return an insert that updates the ``update`` columns of a row that exists already.

    A row exists if its ``unique`` columns are equal. Without ``update`` it stays unchanged.

    SQLAlchemy compiles an insert with a conflict clause again at each execution, which takes
    longer than the insert: statements that run for every request are texts instead.
    """
    insert = _insert(session, table)
    if not update:
        return insert.on_conflict_do_nothing(index_elements=unique)
    changes = {name: insert.excluded[name] for name in update}
    return insert.on_conflict_do_update(index_elements=unique, set_=changes)


def _insert(
    session: Session, table: type[Table] | TableClause
) -> "postgresql.Insert | sqlite.Insert":
    """Return the dialect's insert; loading its module takes time, and a store needs one."""
    if is_postgresql(session):
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    return sqlite.insert(table)
