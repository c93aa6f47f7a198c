"""Wake a drain of the chains: one event when work arrives while no drain is at work.

The lease of the drain is held meanwhile, so that a burst of finished tasks over many chains starts
one run. Until the run has started, upkeep fires the chains in its place. If no drain starts, the
lease becomes stale, and the next finished task wakes again. The sweep of ``reconcile`` fires the
chains in any case.
"""

import random
from collections.abc import Iterable, Mapping, Sequence, Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.events import Event, chain_due_event
from tasks_lib.store import catalogue, leases
from tasks_lib.store.announcements import Backlog
from tasks_lib.store.chains import chains
from tasks_lib.store.engine import Store
from tasks_lib.store.leases import LeaseName

WAKE_UP: Final = "wake-up"
"""The holder of the lease between the event and the drain."""

_PATIENCE: Final = timedelta(seconds=20)
"""How long a flow run may take to start before the chains are woken again."""


def make_wake_event(session: Session, backlogs: Sequence[Backlog], *, at: datetime) -> Event | None:
    """Return the event that wakes one chain of the pipelines whose tasks were finished.

    None if no chain waits for them, or if a drain is at work or about to start. The choice is
    random, so that a chain whose automation is missing does not hold up the others for long.
    """
    finished = {backlog.pipeline_id for backlog in backlogs if backlog.newly_finished}
    ended = {backlog.pipeline_id for backlog in backlogs if backlog.has_ended}
    return _wake(
        session,
        {Trigger.TASK_COMPLETION: finished, Trigger.PIPELINE_COMPLETION: ended},
        at=at,
    )


def make_group_wake_event(
    session: Session, pipeline_ids: Iterable[int], *, at: datetime
) -> Event | None:
    """Return the event that wakes one chain of the pipelines whose groups have finished."""
    return _wake(session, {Trigger.GROUP_COMPLETION: set(pipeline_ids)}, at=at)


def _wake(
    session: Session, pipelines: Mapping[Trigger, AbstractSet[int]], *, at: datetime
) -> Event | None:
    """Wake one of the chains of these pipelines, which are given by the chains' trigger."""
    sources = sorted({pipeline_id for some in pipelines.values() for pipeline_id in some})
    triggered = [
        chain
        for chain in chains.list_chains_of_sources(session, sources)
        if not chain.is_paused
        and chain.source_pipeline_id in pipelines.get(chain.trigger, frozenset())
    ]
    if not triggered:
        return None
    if leases.acquire(session, LeaseName.CHAINS, WAKE_UP, at=at, lasts=_PATIENCE) is None:
        return None
    chain = random.choice(triggered)  # noqa: S311 - not a secret
    source = catalogue.get_pipeline(session, chain.source_pipeline_id)
    return chain_due_event(source, chain.id, at.isoformat())


def take_back(session: Session, *, at: datetime) -> None:
    """Release the lease, because the event could not be sent."""
    leases.release(session, LeaseName.CHAINS, WAKE_UP, at=at)


def is_waking(store: Store, *, at: datetime) -> bool:
    """Tell whether a drain was woken that has not begun yet."""
    with store.read() as session:
        return leases.is_held(session, LeaseName.CHAINS, at=at, holder=WAKE_UP)
