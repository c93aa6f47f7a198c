"""Stored files: touch them, refer to them, and delete those that no group refers to.

A file is removed in two transactions: the first marks it, the second deletes it. If the second is
interrupted, the mark stays and says that the file may be gone.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Select, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from tasks_lib.errors import StorageUnavailableError
from tasks_lib.store.dialect import upsert
from tasks_lib.store.tables.files import GroupFileRow, StoredFileRow

_ROWS: Final = 300
"""Rows per statement: 900 parameters, which every SQLite allows."""

_STORED_FILES: Final = StoredFileRow.metadata.tables[StoredFileRow.__tablename__]
_GROUP_FILES: Final = GroupFileRow.metadata.tables[GroupFileRow.__tablename__]

Item = TypeVar("Item")


def touch_files(session: Session, files: Sequence[tuple[str, int]], *, at: datetime) -> set[str]:
    """Record that a load needs files (URI, size); return those that may be in the storage already.

    Call and commit this before you look whether a file is in the storage: touched files stay.
    Waits for a clean-up that is removing one of them. Marked files are not returned, because they
    may be gone.
    """
    known = set[str]()
    # Ordered by URI, so that two transactions that touch the same files cannot deadlock.
    for some in _in_batches(sorted(dict(files).items())):
        known.update(session.scalars(_unmarked([uri for uri, _ in some])))
        _touch(session, some, at)
    return known


def refer_to_files(session: Session, group_id: int, uris: Iterable[str]) -> None:
    """Record that tasks of the group refer to the files, so that no clean-up removes them.

    Raises StorageUnavailableError if a clean-up was faster.
    """
    for some in _in_batches(sorted(set(uris))):
        # Lock first: a clean-up that holds the lock may have removed the file already.
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
    """Mark files that no group refers to and no load has touched since ``before``.

    Returns the URIs of the next ``limit`` files after the URI ``after``, including those that were
    marked earlier and not deleted yet. Rows that another transaction has locked are left out.
    """
    is_stale = or_(StoredFileRow.touched_at < before, StoredFileRow.touched_at.is_(None))
    uris = session.scalars(
        select(StoredFileRow.uri)
        .where(StoredFileRow.uri > after, is_stale, ~_is_referred_to())
        .order_by(StoredFileRow.uri)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for some in _in_batches(uris):
        # Check again, now that nobody can refer to them: the first check was before the lock.
        session.execute(
            update(StoredFileRow)
            .where(StoredFileRow.uri.in_(some), ~_is_referred_to())
            .values(touched_at=None)
        )
    return list(uris)


def delete_marked(session: Session, uris: Sequence[str]) -> list[str]:
    """Delete the rows of files that are still marked; return their URIs.

    The caller removes the files and then commits, in this order: a row without its file does no
    harm, a file without its row would stay forever.
    """
    marked = list[str]()
    for some in _in_batches(sorted(uris)):
        marked += session.scalars(
            select(StoredFileRow.uri)
            .where(StoredFileRow.uri.in_(some), StoredFileRow.touched_at.is_(None))
            .with_for_update(skip_locked=True)
        )
    for some in _in_batches(marked):
        session.execute(delete(StoredFileRow).where(StoredFileRow.uri.in_(some)))
    return marked


def _unmarked(uris: Sequence[str]) -> Select[str]:
    return select(StoredFileRow.uri).where(
        StoredFileRow.uri.in_(uris), StoredFileRow.touched_at.is_not(None)
    )


def _touch(session: Session, files: Sequence[tuple[str, int]], at: datetime) -> None:
    session.execute(
        upsert(session, _STORED_FILES, ["uri"], update=["touched_at"]),
        [{"uri": uri, "size": size, "touched_at": at} for uri, size in files],
    )


def _is_referred_to() -> ColumnElement[bool]:
    return exists().where(GroupFileRow.uri == StoredFileRow.uri)


def _in_batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for first in range(0, len(items), _ROWS):
        yield items[first : first + _ROWS]
