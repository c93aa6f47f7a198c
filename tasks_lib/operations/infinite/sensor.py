"""The sensor: it wakes when tasks are claimed, and tops up every pipeline that is short of tasks.

One sensor runs at a time; it holds a lease that it renews. Two do no harm, because top-ups can run
at once: at a hand-over the next sensor starts before this one ends.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from tasks_lib.domain.names import counted
from tasks_lib.errors import StoreReplacedError, StoreUnavailableError
from tasks_lib.operations.infinite.stock import EMPTY, Snapshot, take_snapshot
from tasks_lib.operations.infinite.top_up import top_up
from tasks_lib.store import leases
from tasks_lib.store.engine import Store
from tasks_lib.store.leases import LeaseName
from tasks_lib.store.tasks.claim_watch import Watch, watch_claims

logger = logging.getLogger(__name__)

LIFE: Final = timedelta(hours=1)
"""How long a sensor runs before the next one takes over."""

_RENEW_SECONDS: Final = 3.0
_TOP_UP_SECONDS: Final = 5.0
_RECONNECT_SECONDS: Final = 1.0
_HAND_OVER_SECONDS: Final = 120.0
_MINUTES_KEPT: Final = 60


class LastHour(NamedTuple):
    """Claims and tasks created in the last sixty minutes, and pipelines enabled and at target."""

    claims: int
    made: int
    enabled: int
    at_target: int


@dataclass
class Activity:
    """Claims and tasks created, by minute, so that the next sensor can continue counting."""

    minutes: dict[int, list[int]] = field(default_factory=dict)
    last: Snapshot = EMPTY

    def record(self, snapshot: Snapshot, topped_up: Mapping[int, int], at: datetime) -> None:
        """Count the claims and tasks since the last snapshot; forget those older than an hour.

        ``topped_up`` are the tasks that were created after ``snapshot``, by pipeline. For a
        pipeline that is new, counting begins now.
        """
        minute = int(at.timestamp()) // 60
        claims, made = self.minutes.setdefault(minute, [0, 0])
        self.minutes[minute] = [
            claims + _growth(snapshot.claims, self.last.claims),
            made + _growth(snapshot.made, self.last.made) + sum(topped_up.values()),
        ]
        for old in [known for known in self.minutes if known <= minute - _MINUTES_KEPT]:
            del self.minutes[old]
        made_now = {it: count + topped_up.get(it, 0) for it, count in snapshot.made.items()}
        self.last = snapshot._replace(made=made_now)

    @property
    def last_hour(self) -> LastHour:
        """The sums."""
        claims, made = (sum(minute[place] for minute in self.minutes.values()) for place in (0, 1))
        return LastHour(claims, made, self.last.enabled, self.last.at_target)

    @property
    def history(self) -> leases.History:
        """The minutes, in the form that is saved for the next sensor."""
        return [[minute, *numbers] for minute, numbers in sorted(self.minutes.items())]


def _growth(now: Mapping[int, int], before: Mapping[int, int]) -> int:
    return sum(max(count - before.get(it, count), 0) for it, count in now.items())


@dataclass(frozen=True)
class SensorResult:
    """How many tasks a sensor has created, and why it ended."""

    made: int
    why: str

    @property
    def sentence(self) -> str:
        """The result as a sentence."""
        return f"Created {counted(self.made, 'task')}; {self.why}."


@dataclass
class Sensor:
    """Watches the claims of a store; ``takes_over`` names the sensor that it replaces.

    When its time is over it calls ``hand_over`` once, to start the next sensor, and waits until
    that one runs; unless no pipeline is enabled any more. It calls ``show`` every few seconds.
    """

    store: Store
    name: str
    takes_over: str = ""
    life: timedelta | None = LIFE
    hand_over: Callable[[], None] | None = None
    show: Callable[[LastHour], None] = lambda _: None
    made: int = field(default=0, init=False)
    _activity: Activity = field(default_factory=Activity, init=False)
    _ends_at: datetime | None = field(default=None, init=False)
    _is_handing_over: bool = field(default=False, init=False)

    def run(self) -> SensorResult:
        """Watch until the time is over, or until another sensor has taken over.

        While the store is unavailable it waits. The lease is released in any case. Raises
        StoreReplacedError.
        """
        if not self._acquire():
            return SensorResult(0, "another sensor is running")
        self._ends_at = None if self.life is None else self.store.now() + self.life
        try:
            while True:
                try:
                    with watch_claims(self.store) as watch:
                        why = self._watch(watch)
                        return SensorResult(self.made, why)
                except StoreReplacedError:
                    raise
                except StoreUnavailableError as error:
                    logger.warning("%s; the sensor waits for the store", error)
                    time.sleep(_RECONNECT_SECONDS)
        finally:
            with suppress(StoreUnavailableError), self.store.write() as session:
                leases.release(session, LeaseName.SENSOR, self.name, at=self.store.now())

    def _acquire(self) -> bool:
        with self.store.write() as session:
            history = leases.acquire(
                session,
                LeaseName.SENSOR,
                self.name,
                at=self.store.now(),
                from_holders=(self.takes_over, self.name),
            )
        if history is None:
            return False
        self._activity.minutes = {minute: [claims, made] for minute, claims, made in history}
        return True

    def _watch(self, watch: Watch) -> str:
        """Top up when tasks may have been claimed, and every few seconds; return why it ends."""
        next_renewal = next_top_up = 0.0
        while True:
            now = time.monotonic()
            if now >= next_renewal:
                why = self._renew()
                if why is not None:
                    return why
                next_renewal = now + _RENEW_SECONDS
            if watch.wait(min(_RENEW_SECONDS, max(next_top_up - now, 0))) or now >= next_top_up:
                self._top_up()
                next_top_up = time.monotonic() + _TOP_UP_SECONDS

    def _top_up(self) -> None:
        snapshot, at = take_snapshot(self.store), self.store.now()
        topped_up = {it: top_up(self.store, it, at=at) for it in snapshot.short}
        self._activity.record(snapshot, topped_up, at)
        self.made += sum(topped_up.values())

    def _renew(self) -> str | None:
        """Renew the lease; return why this sensor must end, or None."""
        at = self.store.now()
        with self.store.write() as session:
            is_ours = leases.renew(
                session, LeaseName.SENSOR, self.name, at=at, history=self._activity.history
            )
        if not is_ours:
            return "the next sensor is running"
        self.show(self._activity.last_hour)
        if self._ends_at is None or at < self._ends_at:
            return None
        if self.hand_over is None or not self._activity.last.enabled:
            return "its time is over"
        if not self._is_handing_over:
            self._is_handing_over = True
            self.hand_over()
        waited = (at - self._ends_at).total_seconds()
        return "its time is over, and no other sensor came" if waited > _HAND_OVER_SECONDS else None


def is_sensor_running(store: Store, *, at: datetime) -> bool:
    """Return True if a sensor is running."""
    with store.read() as session:
        return leases.is_held(session, LeaseName.SENSOR, at=at)


def is_sensor_missing(store: Store, *, at: datetime) -> bool:
    """Return True if infinite seeding is enabled for a pipeline and no sensor is running."""
    return take_snapshot(store).enabled > 0 and not is_sensor_running(store, at=at)
