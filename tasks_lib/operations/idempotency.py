"""Do what a request asks once, however often it is sent with the same idempotency key.

The answer is committed with what was done, under the key, which the database holds unique. A second
request waits for the first one's end and gets its answer, byte for byte.
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
"""Something that is done in a transaction of its own."""

KEPT: Final = timedelta(hours=24)
"""How long an answer is replayed."""


class Answer(NamedTuple):
    """The answer to a request; ``is_replayed`` if it was given before."""

    status: int
    body: bytes
    is_replayed: bool = False


class OnceKey(NamedTuple):
    """An idempotency key of an organization, and the SHA-256 of the request that it came with."""

    organization_id: int
    key: str
    request_sha256: str


def kept_answer(session: Session, once: OnceKey | None, *, at: datetime) -> Answer | None:
    """Return the answer that the request got before; raise ConflictError if another one did."""
    if once is None:
        return None
    since = at - KEPT
    kept = idempotent_answers.find_answer(session, once.organization_id, once.key, since=since)
    if kept is None:
        return None
    if kept.request_sha256 != once.request_sha256:
        message = (
            f"the Idempotency-Key {once.key!r} came with another request before; "
            "send a new key with a new request"
        )
        raise ConflictError(message, code="idempotency_key_reused")
    return Answer(kept.status, kept.body, is_replayed=True)


def answer_once(
    store: Store, once: OnceKey | None, act: Callable[[Session], Answer], *, at: datetime
) -> Answer:
    """Do ``act`` in a transaction and keep its answer, or return the one that was kept.

    What ``act`` raises undoes everything, the key included. Raises ConflictError where the key came
    with another request.
    """
    with store.write() as session:
        if once is None:
            return act(session)
        organization_id, key, request_sha256 = once
        is_new = idempotent_answers.take_key(
            session,
            organization_id,
            key,
            request_sha256=request_sha256,
            at=at,
            since=at - KEPT,
        )
        if not is_new:
            kept = kept_answer(session, once, at=at)
            assert kept is not None, "a conflict without the row that it conflicts with"  # noqa: S101
            return kept
        answer = act(session)
        idempotent_answers.keep_answer(
            session, organization_id, key, status=answer.status, body=answer.body
        )
        return answer


def answer_to(
    store: Store,
    once: OnceKey | None,
    act: Act[T],
    answer: Callable[[T], Answer],
    *,
    at: datetime,
) -> Answer:
    """Do the same with an act that opens a transaction by itself: it becomes part of this one."""
    if once is None:
        return answer(act(store))
    return answer_once(store, once, lambda session: answer(act(store.within(session))), at=at)


def remove_old_answers(store: Store, *, now: datetime) -> int:
    """Remove answers that are not replayed any more; return how many."""
    with store.write() as session:
        return idempotent_answers.remove_answers(session, before=now - KEPT)
