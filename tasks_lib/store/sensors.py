"""Who watches: one holder at a time of a lease that has to be renewed."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tasks_lib.store.tables import SensorRow

INFINITE: Final = "infinite"
STALE: Final = timedelta(seconds=10)
"""How long a holder may not have been seen before another takes its place."""

History = list[list[int]]
"""Rows of numbers that a holder keeps for the next one."""


def take(session: Session, holder: str, *, at: datetime, from_holder: str = "") -> History | None:
    """Take the lease if nobody holds it, or from ``from_holder``; return its history, or None."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    statement = (postgresql.insert if is_postgresql else sqlite.insert)(SensorRow)
    session.execute(
        statement.values(
            name=INFINITE, holder="", seen_at=at - 2 * STALE, history=[]
        ).on_conflict_do_nothing(index_elements=["name"])
    )
    is_free = or_(SensorRow.seen_at <= at - STALE, SensorRow.holder.in_(["", from_holder, holder]))
    taken = session.execute(
        update(SensorRow)
        .where(SensorRow.name == INFINITE, is_free)
        .values(holder=holder, seen_at=at)
        .returning(SensorRow.history)
    ).one_or_none()
    return taken.history if taken is not None else None


def renew(session: Session, holder: str, history: History, *, at: datetime) -> bool:
    """Say that the holder is at work; False if another one has taken the lease."""
    renewed = session.execute(
        update(SensorRow)
        .where(SensorRow.name == INFINITE, SensorRow.holder == holder)
        .values(seen_at=at, history=history)
        .returning(SensorRow.name)
    )
    return renewed.one_or_none() is not None


def give_up(session: Session, holder: str, *, at: datetime) -> None:
    """Let the next one take the lease at once."""
    session.execute(
        update(SensorRow)
        .where(SensorRow.name == INFINITE, SensorRow.holder == holder)
        .values(holder="", seen_at=at - 2 * STALE)
    )


def is_held(session: Session, *, at: datetime) -> bool:
    """Tell whether somebody watches."""
    held = select(SensorRow.holder).where(
        SensorRow.name == INFINITE, SensorRow.holder != "", SensorRow.seen_at > at - STALE
    )
    return session.scalar(held) is not None
