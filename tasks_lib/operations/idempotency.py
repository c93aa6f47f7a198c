"""Run the act of a request once, however often it is sent with the same idempotency key.

The answer is committed under the key, in the transaction that did the work; the database keeps keys
unique. A second request waits until the first one ends and gets its answer, byte for byte.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from sqlalchemy.orm import Session

from tasks_lib.errors import ConflictError
from tasks_lib.store import idempotent_answers
from tasks_lib.store.engine import Store

T = TypeVar("T")
Act = Callable[[Store], T]
"""Work that opens its own transaction."""

KEPT: Final = timedelta(hours=24)
"""How long an answer can be replayed."""


class Answer(NamedTuple):
    """An answer in the form that the caller chose; ``is_replayed`` if it was given before.

    Both parts are opaque here: ``kind`` is a number that says what ``content`` is.
    """

    kind: int
    content: bytes
    is_replayed: bool = False


class IdempotencyKey(NamedTuple):
    """An idempotency key of an organization, and the SHA-256 of the request that used it."""

    organization_id: int
    key: str
    request_sha256: str


def find_answer(session: Session, key: IdempotencyKey | None, *, at: datetime) -> Answer | None:
    """Return the stored answer to the request, or None.

    Raises ConflictError if the key was used with another request.
    """
    if key is None:
        return None
    since = at - KEPT
    stored = idempotent_answers.find_answer(session, key.organization_id, key.key, since=since)
    if stored is None:
        return None
    if stored.request_sha256 != key.request_sha256:
        message = (
            f"the idempotency key {key.key!r} was used with another request before; "
            "send a new key with a new request"
        )
        raise ConflictError(message, code="idempotency_key_reused")
    return Answer(stored.status, stored.body, is_replayed=True)


def answer_once(
    store: Store, key: IdempotencyKey | None, act: Callable[[Session], Answer], *, at: datetime
) -> Answer:
    """Run ``act`` in a transaction and store its answer, or return the answer stored before.

    If ``act`` raises, everything is rolled back, the key included. Raises ConflictError if the key
    was used with another request.
    """
    with store.write() as session:
        if key is None:
            return act(session)
        is_new = idempotent_answers.reserve_key(
            session,
            key.organization_id,
            key.key,
            request_sha256=key.request_sha256,
            at=at,
            since=at - KEPT,
        )
        if not is_new:
            stored = find_answer(session, key, at=at)
            assert stored is not None, "a conflict without the row that it conflicts with"  # noqa: S101
            return stored
        answer = act(session)
        idempotent_answers.keep_answer(
            session, key.organization_id, key.key, status=answer.kind, body=answer.content
        )
        return answer


def run_once(
    store: Store,
    key: IdempotencyKey | None,
    act: Act[T],
    answer: Callable[[T], Answer],
    *,
    at: datetime,
) -> Answer:
    """Run an act that opens its own transaction, once for the key, as ``answer_once`` does.

    With a key the act's transaction becomes part of the one that stores the answer.
    """
    if key is None:
        return answer(act(store))
    return answer_once(store, key, lambda session: answer(act(store.within(session))), at=at)


def remove_old_answers(store: Store, *, now: datetime) -> int:
    """Remove answers that are too old to be replayed; return how many."""
    with store.write() as session:
        return idempotent_answers.remove_answers(session, before=now - KEPT)
