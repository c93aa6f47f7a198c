"""The rate limit of a key: a burst of calls, and a long-run rate."""

import pytest

from tasks_lib.api.rate_limits import RateLimits


def test_a_burst_is_allowed_and_then_one_call_has_to_wait_for_the_next_token() -> None:
    limits = RateLimits(per_second=2, burst=3)
    assert [limits.take(1, 100.0) for _ in range(4)] == [0, 0, 0, 0.5]


def test_tokens_come_back_with_time_but_never_more_than_a_burst() -> None:
    limits = RateLimits(per_second=2, burst=3)
    for _ in range(3):
        limits.take(1, 100.0)
    assert [limits.take(1, 100.5), limits.take(1, 100.5)] == [0, 0.5]
    assert [limits.take(1, 1_000.0) for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_refused_call_costs_no_token() -> None:
    limits = RateLimits(per_second=1, burst=1)
    waits = [limits.take(1, moment) for moment in (0.0, 0.25, 0.5, 1.0)]
    assert waits == pytest.approx([0, 0.75, 0.5, 0])


def test_each_key_has_a_bucket_of_its_own() -> None:
    limits = RateLimits(per_second=1, burst=1)
    assert [limits.take(key, 0.0) for key in (1, 2, 1)] == [0, 0, 1]
