"""Answers to calls that named an idempotency key: one for each key of an organization."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tasks_lib.store.tables import IdempotentAnswerRow


class KeptAnswer(NamedTuple):
    """An answer as it was given, and the SHA-256 of the request that it was given to."""

    request_sha256: str
    status: int
    body: bytes


def find_answer(
    session: Session, organization_id: int, key: str, *, since: datetime
) -> KeptAnswer | None:
    """Return the answer that was kept for the key since then, or None."""
    found = session.execute(
        select(
            IdempotentAnswerRow.request_sha256,
            IdempotentAnswerRow.status,
            IdempotentAnswerRow.body,
        ).where(
            IdempotentAnswerRow.organization_id == organization_id,
            IdempotentAnswerRow.key == key,
            IdempotentAnswerRow.created_at >= since,
        )
    ).one_or_none()
    return KeptAnswer(*found) if found is not None else None


def take_key(
    session: Session,
    organization_id: int,
    key: str,
    *,
    request_sha256: str,
    at: datetime,
    since: datetime,
) -> bool:
    """Take the key for this transaction's answer; return False where one was kept since then.

    While another transaction has taken the key, this waits for its end.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(IdempotentAnswerRow).values(
        organization_id=organization_id,
        key=key,
        request_sha256=request_sha256,
        status=0,
        body=b"",
        created_at=at,
    )
    new = statement.excluded
    taken = session.execute(
        statement.on_conflict_do_update(
            index_elements=["organization_id", "key"],
            set_={"request_sha256": new.request_sha256, "created_at": new.created_at},
            where=IdempotentAnswerRow.created_at < since,
        ).returning(IdempotentAnswerRow.key)
    )
    return taken.one_or_none() is not None


def keep_answer(
    session: Session, organization_id: int, key: str, *, status: int, body: bytes
) -> None:
    """Keep the answer under a key that this transaction has taken."""
    session.execute(
        update(IdempotentAnswerRow)
        .where(
            IdempotentAnswerRow.organization_id == organization_id, IdempotentAnswerRow.key == key
        )
        .values(status=status, body=body)
    )


def remove_answers(session: Session, *, before: datetime) -> int:
    """Remove the answers that were kept before then; return how many."""
    removed = session.execute(
        delete(IdempotentAnswerRow).where(IdempotentAnswerRow.created_at < before)
    )
    assert isinstance(removed, CursorResult)  # noqa: S101
    return removed.rowcount
