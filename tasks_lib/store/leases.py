"""Leases of long-lived work: one holder at a time for each name, which has to renew it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from tasks_lib.store.dialect import upsert
from tasks_lib.store.tables.leases import LeaseRow

STALE: Final = timedelta(seconds=10)
"""How long after its last renewal a lease is free."""

_AHEAD: Final = timedelta(minutes=1)
"""A time further in the future than this comes from a clock that was wrong."""

History = list[list[int]]
"""Rows of numbers that a holder leaves to the next one."""


class LeaseName(StrEnum):
    """The kinds of work of which only one run may be active at a time."""

    SENSOR = "infinite"
    CHAINS = "chains"
    UPKEEP = "upkeep"


def acquire(
    session: Session,
    name: LeaseName,
    holder: str,
    *,
    at: datetime,
    from_holders: Collection[str] = (),
    lasts: timedelta = STALE,
) -> History | None:
    """Acquire the lease if it is free or one of ``from_holders`` holds it.

    Returns the history that the last holder has left, or None if the lease is another holder's.
    Unless it is renewed, it is free again after ``lasts``.
    """
    session.execute(
        upsert(session, LeaseRow, ["name"]).values(
            name=name.value, holder="", seen_at=at - 2 * STALE, history=[]
        )
    )
    is_free = or_(~_is_fresh(at), LeaseRow.holder.in_(["", *from_holders]))
    row = session.execute(
        update(LeaseRow)
        .where(LeaseRow.name == name.value, is_free)
        .values(holder=holder, seen_at=at + lasts - STALE)
        .returning(LeaseRow.history)
    ).one_or_none()
    return row.history if row is not None else None


def renew(
    session: Session,
    name: LeaseName,
    holder: str,
    *,
    at: datetime,
    history: History | None = None,
) -> bool:
    """Renew the lease and save the history; return False if another holder has acquired it."""
    row = session.execute(
        update(LeaseRow)
        .where(LeaseRow.name == name.value, LeaseRow.holder == holder)
        .values(seen_at=at, history=history or [])
        .returning(LeaseRow.name)
    ).one_or_none()
    return row is not None


def release(session: Session, name: LeaseName, holder: str, *, at: datetime) -> None:
    """Release the lease, so that the next holder can acquire it at once."""
    session.execute(
        update(LeaseRow)
        .where(LeaseRow.name == name.value, LeaseRow.holder == holder)
        .values(holder="", seen_at=at - 2 * STALE)
    )


def is_held(session: Session, name: LeaseName, *, at: datetime, holder: str | None = None) -> bool:
    """Return True if the lease has a holder, or this one, that renewed it in time."""
    is_wanted = LeaseRow.holder == holder if holder is not None else LeaseRow.holder != ""
    statement = select(LeaseRow.holder).where(LeaseRow.name == name.value, is_wanted, _is_fresh(at))
    return session.scalar(statement) is not None


def is_over(
    until: InstrumentedAttribute[datetime | None], *, at: datetime, longest: timedelta
) -> ColumnElement[bool]:
    """Return the condition that a lease until then is over, or cannot be right: it is too long."""
    return or_(until.is_(None), until <= at, until > at + longest + _AHEAD)


def _is_fresh(at: datetime) -> ColumnElement[bool]:
    return (LeaseRow.seen_at > at - STALE) & (LeaseRow.seen_at <= at + _AHEAD)
