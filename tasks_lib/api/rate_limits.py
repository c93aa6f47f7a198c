"""Limit the calls of each API key with a token bucket. The caller passes the time."""

from typing import NamedTuple


class _Bucket(NamedTuple):
    tokens: float
    filled_at: float


class RateLimits:
    """Allows each key ``per_second`` calls on average, and ``burst`` calls at once."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: dict[int, _Bucket] = {}

    def take(self, key_id: int, now: float) -> float:
        """Count a call; return 0 if it is allowed, else the seconds until the next one is.

        ``now`` is a monotonic time in seconds.
        """
        tokens, filled_at = self._buckets.get(key_id, _Bucket(self._burst, now))
        tokens = min(float(self._burst), tokens + (now - filled_at) * self._per_second)
        allowed = tokens >= 1
        self._buckets[key_id] = _Bucket(tokens - allowed, now)
        return 0.0 if allowed else (1 - tokens) / self._per_second
