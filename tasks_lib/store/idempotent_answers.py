"""Stored answers to requests with an idempotency key: one per key and organization."""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import CursorResult, LargeBinary, bindparam, delete, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.store.tables.access import IdempotentAnswerRow
from tasks_lib.store.tables.base import UtcDateTime

_ANSWERS: Final = IdempotentAnswerRow.metadata.tables[IdempotentAnswerRow.__tablename__]
_RESERVE: Final = text(
    """
    INSERT INTO idempotent_answers (organization_id, key, request_sha256, status, body, created_at)
    VALUES (:organization_id, :key, :request_sha256, 0, :nothing, :at)
    ON CONFLICT (organization_id, key) DO UPDATE
    SET request_sha256 = excluded.request_sha256, created_at = excluded.created_at
    WHERE idempotent_answers.created_at < :since
    RETURNING key
    """
).bindparams(
    bindparam("nothing", b"", LargeBinary), bindparam("at", type_=UtcDateTime),
    bindparam("since", type_=UtcDateTime),
)  # fmt: skip
"""A text because it runs for every request; see ``dialect.upsert``."""

_IS_OURS: Final = (
    _ANSWERS.c.organization_id == bindparam("of_organization"),
    _ANSWERS.c.key == bindparam("of_key"),
)
_KEEP: Final = (
    update(_ANSWERS).where(*_IS_OURS).values(status=bindparam("status"), body=bindparam("body"))
)
_FIND: Final = select(_ANSWERS.c.request_sha256, _ANSWERS.c.status, _ANSWERS.c.body).where(
    *_IS_OURS, _ANSWERS.c.created_at >= bindparam("since")
)


class KeptAnswer(NamedTuple):
    """An answer, and the SHA-256 of the request that it answered."""

    request_sha256: str
    status: int
    body: bytes


def find_answer(
    session: Session, organization_id: int, key: str, *, since: datetime
) -> KeptAnswer | None:
    """Return the answer that was stored for the key since ``since``, or None."""
    parameters = {"of_organization": organization_id, "of_key": key, "since": since}
    row = session.execute(_FIND, parameters).one_or_none()
    return KeptAnswer(*row) if row is not None else None


def reserve_key(
    session: Session,
    organization_id: int,
    key: str,
    *,
    request_sha256: str,
    at: datetime,
    since: datetime,
) -> bool:
    """Reserve the key for this transaction's answer; return False if it has a newer one.

    While another transaction has reserved the key, this waits for its end.
    """
    parameters = {
        "organization_id": organization_id,
        "key": key,
        "request_sha256": request_sha256,
        "at": at,
        "since": since,
    }
    return session.execute(_RESERVE, parameters).one_or_none() is not None


def keep_answer(
    session: Session, organization_id: int, key: str, *, status: int, body: bytes
) -> None:
    """Store the answer under a key that this transaction has reserved."""
    parameters = {
        "of_organization": organization_id,
        "of_key": key,
        "status": status,
        "body": body,
    }
    session.execute(_KEEP, parameters)


def remove_answers(session: Session, *, before: datetime) -> int:
    """Delete the answers that were stored before ``before``; return their number."""
    removed = session.execute(
        delete(IdempotentAnswerRow).where(IdempotentAnswerRow.created_at < before)
    )
    assert isinstance(removed, CursorResult)  # noqa: S101
    return removed.rowcount
