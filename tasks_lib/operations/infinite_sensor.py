"""The sensor: wakes at once when tasks are claimed, and tops up every pipeline that needs it.

One sensor watches at a time, by a lease that it renews. Two do no harm: a top-up is safe whoever
else tops up, so that at a hand-over the next one watches before this one ends.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from tasks_lib.domain.names import counted
from tasks_lib.errors import StoreUnavailableError
from tasks_lib.operations.topping_up import NOTHING_SEEN, Shortage, look, top_up
from tasks_lib.store import sensors
from tasks_lib.store.claim_watch import Watch, watch_claims
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)

LIFE: Final = timedelta(hours=1)
"""How long a sensor watches before the next one takes its place."""

_BEAT_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 5.0
_LOST_SECONDS: Final = 1.0
_HAND_OVER_SECONDS: Final = 120.0
_MINUTES_KEPT: Final = 60


class LastHour(NamedTuple):
    """What has happened in the last sixty minutes, and how many pipelines are at target."""

    claims: int
    made: int
    watched: int
    at_target: int


@dataclass
class Activity:
    """Claims and tasks made, minute by minute, so that the next sensor can go on counting."""

    minutes: dict[int, list[int]] = field(default_factory=dict)
    seen: Shortage = NOTHING_SEEN

    def saw(self, seen: Shortage, topped_up: Mapping[int, int], at: datetime) -> None:
        """Count what is new since the last look; of a pipeline that is new, what comes from now on.

        Tasks count whoever has made them; ``topped_up`` are those that were made since ``seen``.
        What is older than an hour is forgotten.
        """
        minute = int(at.timestamp()) // 60
        claims, made = self.minutes.setdefault(minute, [0, 0])
        self.minutes[minute] = [
            claims + _more(seen.claims, self.seen.claims),
            made + _more(seen.made, self.seen.made) + sum(topped_up.values()),
        ]
        for old in [known for known in self.minutes if known <= minute - _MINUTES_KEPT]:
            del self.minutes[old]
        held = {it: count + topped_up.get(it, 0) for it, count in seen.made.items()}
        self.seen = seen._replace(made=held)

    @property
    def last_hour(self) -> LastHour:
        """The sums."""
        claims, made = (sum(minute[place] for minute in self.minutes.values()) for place in (0, 1))
        return LastHour(claims, made, self.seen.watched, self.seen.at_target)

    @property
    def history(self) -> sensors.History:
        """What is kept for the next sensor."""
        return [[minute, *numbers] for minute, numbers in sorted(self.minutes.items())]


def _more(now: Mapping[int, int], before: Mapping[int, int]) -> int:
    return sum(max(count - before.get(it, count), 0) for it, count in now.items())


@dataclass(frozen=True)
class Ended:
    """How a sensor ended: what it made, and why it ended."""

    made: int
    why: str

    @property
    def sentence(self) -> str:
        """For a person."""
        return f"Made {counted(self.made, 'task')}; {self.why}."


@dataclass
class Sensor:
    """Watches a store under a name; ``takes_over`` names the sensor whose place it takes.

    ``hand_over`` is called once when its time is over, to start the next one, for which it then
    waits, unless there is nothing to watch any more. ``tell`` hears of the last hour, every few
    seconds.
    """

    store: Store
    name: str
    takes_over: str = ""
    life: timedelta | None = LIFE
    hand_over: Callable[[], None] | None = None
    tell: Callable[[LastHour], None] = lambda _: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    made: int = 0

    def run(self) -> Ended:
        """Watch until the time is over, or until another one has taken the place.

        A store that is lost is waited for. Whatever ends this gives the place to whoever comes.
        """
        self._activity = Activity()
        if not self._take():
            return Ended(0, "another sensor is at work")
        self._ends_at = None if self.life is None else self.clock() + self.life
        self._is_handing_over = False
        try:
            while True:
                try:
                    with watch_claims(self.store) as watch:
                        why = self._watch(watch)
                        return Ended(self.made, why)
                except StoreUnavailableError as error:
                    logger.warning("%s; the sensor waits for the store", error)
                    time.sleep(_LOST_SECONDS)
        finally:
            with suppress(StoreUnavailableError), self.store.write() as session:
                sensors.give_up(session, self.name, at=self.clock())

    def _take(self) -> bool:
        with self.store.write() as session:
            history = sensors.take(session, self.name, at=self.clock(), from_holder=self.takes_over)
        if history is None:
            return False
        self._activity.minutes = {minute: [claims, made] for minute, claims, made in history}
        return True

    def _watch(self, watch: Watch) -> str:
        """Look whenever tasks may have been taken, and now and then; return why it has ended."""
        next_beat = next_look = 0.0
        while True:
            now = time.monotonic()
            if now >= next_beat:
                why = self._beat()
                if why is not None:
                    return why
                next_beat = now + _BEAT_SECONDS
            if watch.wait(min(_BEAT_SECONDS, max(next_look - now, 0))) or now >= next_look:
                self._look()
                next_look = time.monotonic() + _LOOK_SECONDS

    def _look(self) -> None:
        seen, at = look(self.store), self.clock()
        topped_up = {it: top_up(self.store, it, at=at) for it in seen.short}
        self._activity.saw(seen, topped_up, at)
        self.made += sum(topped_up.values())

    def _beat(self) -> str | None:
        """Renew the lease; return why this sensor is to end, if it is."""
        at = self.clock()
        with self.store.write() as session:
            is_ours = sensors.renew(session, self.name, self._activity.history, at=at)
        if not is_ours:
            return "the next sensor is at work"
        self.tell(self._activity.last_hour)
        if self._ends_at is None or at < self._ends_at:
            return None
        if self.hand_over is None or not self._activity.seen.watched:
            return "its time is over"
        if not self._is_handing_over:
            self._is_handing_over = True
            self.hand_over()
        waited = (at - self._ends_at).total_seconds()
        return "its time is over, and no other came" if waited > _HAND_OVER_SECONDS else None


def is_watched(store: Store, *, at: datetime) -> bool:
    """Tell whether a sensor is at work."""
    with store.read() as session:
        return sensors.is_held(session, at=at)


def is_wanted(store: Store, *, at: datetime) -> bool:
    """Tell whether there are pipelines to be watched that nobody watches."""
    return look(store).watched > 0 and not is_watched(store, at=at)
