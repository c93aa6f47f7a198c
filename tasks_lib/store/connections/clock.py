"""The clock of the database, which decides wherever times of several machines meet."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final, NamedTuple

_READ_AGAIN_SECONDS: Final = 60.0
_STEP: Final = timedelta(seconds=1)
"""A host's clock that moves by more, against its monotonic clock, was set or has slept."""


def host_now() -> datetime:
    """Return the time of this host's clock."""
    return datetime.now(UTC)


class _Reading(NamedTuple):
    database: datetime
    host: datetime
    monotonic: float


class DatabaseClock:
    """Tells the database's time; it asks once a minute and counts seconds in between.

    ``read`` asks the database; its errors are raised. Safe to share between threads.
    """

    def __init__(self, read: Callable[[], datetime]) -> None:
        self._read = read
        self._reading: _Reading | None = None
        self._lock = Lock()

    def now(self) -> datetime:
        """Return the database's time."""
        reading, monotonic = self._reading, time.monotonic()
        if reading is None or not _is_usable(reading, monotonic):
            reading = self._read_again()
            monotonic = reading.monotonic
        return reading.database + timedelta(seconds=monotonic - reading.monotonic)

    def _read_again(self) -> _Reading:
        with self._lock:
            before = time.monotonic()
            if self._reading is not None and _is_usable(self._reading, before):
                return _moved(self._reading, before)  # another thread has just read it
            database = self._read()
            after = time.monotonic()
            middle = database + timedelta(seconds=(after - before) / 2)
            self._reading = _Reading(middle, host_now(), after)
            return self._reading


def _is_usable(reading: _Reading, monotonic: float) -> bool:
    seconds = monotonic - reading.monotonic
    step = host_now() - reading.host - timedelta(seconds=seconds)
    return seconds < _READ_AGAIN_SECONDS and abs(step) < _STEP


def _moved(reading: _Reading, monotonic: float) -> _Reading:
    passed = monotonic - reading.monotonic
    database = reading.database + timedelta(seconds=passed)
    return reading._replace(database=database, monotonic=monotonic)
