"""Upkeep that stays: one run repeats each chore at its own interval, and hands over to the next.

Chores may fail: they are repeated, so nothing is lost.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple

from tasks_lib.errors import SeedingError, StoreReplacedError
from tasks_lib.operations.leases import Lease
from tasks_lib.store.engine import Store
from tasks_lib.store.leases import LeaseName

logger = logging.getLogger(__name__)

TAKEN_OVER: Final = "the next run has taken over"
_TICK_SECONDS: Final = 1.0
_AFTER_FAILURE_SECONDS: Final = 10.0
_HAND_OVER_SECONDS: Final = 120.0


class Chore(NamedTuple):
    """An act, and how often it is repeated; the first time is at the start."""

    act: Callable[[], object]
    every: timedelta


@dataclass
class Rounds:
    """Repeats the chores until ``life`` is over; one run at a time does.

    Then it calls ``hand_over`` once, which starts the next run, and goes on until that one works.
    ``takes_over`` is the run that this one replaces. ``why_stop`` can end it earlier: it returns a
    reason or None.
    """

    store: Store
    name: str
    chores: Sequence[Chore]
    life: timedelta
    hand_over: Callable[[], None]
    takes_over: str = ""
    why_stop: Callable[[], str | None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _due: list[float] = field(init=False)

    def run(self) -> str:
        """Do upkeep; return why it has ended. The lease is released in any case.

        Raises StoreReplacedError: a run that starts now opens the new store.
        """
        lease = Lease(self.store, LeaseName.UPKEEP, self.name)
        if not lease.acquire(from_holder=self.takes_over):
            return "another run does the upkeep"
        self._due = [-math.inf] * len(self.chores)
        ends_at = self.clock() + self.life.total_seconds()
        is_handing_over = False
        try:
            while True:
                self._do_chores()
                if not self._keep(lease):
                    return TAKEN_OVER
                why = self.why_stop()
                if why is not None:
                    return why
                if self.clock() >= ends_at and not is_handing_over:
                    is_handing_over = True
                    self._attempt(self.hand_over)
                if self.clock() >= ends_at + _HAND_OVER_SECONDS:
                    return "its time is over, and no other run has come"
                self.sleep(_TICK_SECONDS)
        finally:
            lease.release()

    def _do_chores(self) -> None:
        for place, chore in enumerate(self.chores):
            now = self.clock()
            if now >= self._due[place]:
                pause = chore.every.total_seconds()
                if not self._attempt(chore.act):
                    pause = max(pause, _AFTER_FAILURE_SECONDS)
                self._due[place] = now + pause

    def _attempt(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except StoreReplacedError:
            raise
        except SeedingError as error:
            logger.warning("%s; upkeep tries again", error)
            return False
        return True

    def _keep(self, lease: Lease) -> bool:
        """Renew the lease; without the store nobody else can acquire it either."""
        try:
            return lease.keep()
        except StoreReplacedError:
            raise
        except SeedingError as error:
            logger.warning("%s; upkeep waits for the store", error)
            return True
