"""Publish the events that are due, where a failure is only logged."""

import logging

from tasks_lib.errors import UnavailableError
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.waiting.suspended import resume_due
from tasks_lib.steps.prefect_api import post_events
from tasks_lib.steps.waiting.suspended_runs import WaitingRuns
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)


def announce(store: Store) -> None:
    """Publish the events that are due, and resume runs; if that fails, ``reconcile`` does it."""
    try:
        resume_due(store, WaitingRuns(), at=store.now())
        announce_due(store, post_events, at=store.now())
    except UnavailableError as error:
        logger.warning("%s; reconcile will publish the events", error)
