"""Stored files: want them, refer to them, and take back those that nobody refers to.

A file is removed in two transactions: one marks it, one removes it. If the second is cut off, the
mark stays, and with it the knowledge that the file may be gone.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Select, delete, exists, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tasks_lib.errors import StorageUnavailableError
from tasks_lib.store.tables import GroupFileRow, StoredFileRow

_ROWS: Final = 300
"""Rows to one statement: 900 parameters, which every SQLite allows."""

_STORED_FILES: Final = StoredFileRow.metadata.tables[StoredFileRow.__tablename__]
_GROUP_FILES: Final = GroupFileRow.metadata.tables[GroupFileRow.__tablename__]

Item = TypeVar("Item")


def touch_files(session: Session, files: Sequence[tuple[str, int]], *, at: datetime) -> set[str]:
    """Note that files (URI, size) are wanted; return those that may be in the storage already.

    Comes, and is committed, before anyone looks whether a file is in the storage: what is touched
    stays. Waits for a clean-up that is removing one of them; what one has begun to remove is not
    worth a look.
    """
    known = set[str]()
    # In order of their URIs, so that two that touch the same files never wait for each other.
    for some in _in_batches(sorted(dict(files).items())):
        known.update(session.scalars(_unmarked([uri for uri, _ in some])))
        _touch(session, some, at)
    return known


def refer_to_files(session: Session, group_id: int, uris: Iterable[str]) -> None:
    """Note that tasks of the group have the files; from then on nothing removes them.

    Raises StorageUnavailableError where a clean-up has come first.
    """
    for some in _in_batches(sorted(set(uris))):
        # The lock comes first: a clean-up that holds one may have removed the file already.
        kept = session.scalars(
            _unmarked(some).order_by(StoredFileRow.uri).with_for_update(read=True, key_share=True)
        )
        gone = sorted(set(some) - set(kept))
        if gone:
            raise StorageUnavailableError(
                f"{gone[0]} was cleaned up while its tasks were made; run it again"
            )
        references = [{"group_id": group_id, "uri": uri} for uri in some]
        session.execute(insert(_GROUP_FILES), references)


def mark_unreferenced(
    session: Session, *, before: datetime, limit: int, after: str = ""
) -> list[str]:
    """Mark files that no group has and no load wanted since ``before``; return their URIs.

    They are the next ``limit`` in order of their URIs, and include those that were marked earlier
    and are still there. What another transaction is at work on is left out.
    """
    is_stale = or_(StoredFileRow.touched_at < before, StoredFileRow.touched_at.is_(None))
    found = session.scalars(
        select(StoredFileRow.uri)
        .where(StoredFileRow.uri > after, is_stale, ~_is_referred_to())
        .order_by(StoredFileRow.uri)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for some in _in_batches(found):
        # Looks again, now that nobody can refer to them: the first look was before the lock.
        session.execute(
            update(StoredFileRow)
            .where(StoredFileRow.uri.in_(some), ~_is_referred_to())
            .values(touched_at=None)
        )
    return list(found)


def take_marked(session: Session, uris: Sequence[str]) -> list[str]:
    """Delete the rows of files that are still marked; return their URIs.

    The caller removes the files themselves and then commits, in this order: a row without its file
    does no harm, a file without its row would stay for ever.
    """
    taken = list[str]()
    for some in _in_batches(sorted(uris)):
        taken += session.scalars(
            select(StoredFileRow.uri)
            .where(StoredFileRow.uri.in_(some), StoredFileRow.touched_at.is_(None))
            .with_for_update(skip_locked=True)
        )
    for some in _in_batches(taken):
        session.execute(delete(StoredFileRow).where(StoredFileRow.uri.in_(some)))
    return taken


def _unmarked(uris: Sequence[str]) -> Select[tuple[str]]:
    return select(StoredFileRow.uri).where(
        StoredFileRow.uri.in_(uris), StoredFileRow.touched_at.is_not(None)
    )


def _touch(session: Session, files: Sequence[tuple[str, int]], at: datetime) -> None:
    kind = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = kind(_STORED_FILES)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["uri"], set_={"touched_at": statement.excluded.touched_at}
        ),
        [{"uri": uri, "size": size, "touched_at": at} for uri, size in files],
    )


def _is_referred_to() -> ColumnElement[bool]:
    return exists().where(GroupFileRow.uri == StoredFileRow.uri)


def _in_batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for first in range(0, len(items), _ROWS):
        yield items[first : first + _ROWS]
