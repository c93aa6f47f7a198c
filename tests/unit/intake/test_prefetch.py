"""A second thread makes items ahead of their use, in order, and ends with its consumer."""

import threading
from collections.abc import Iterator

import pytest

from tasks_lib.intake.rows.prefetch import prefetched


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "seeding-prefetch"]


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(prefetched(range(100))) == list(range(100))
    assert threads() == []


def test_items_are_made_by_another_thread() -> None:
    names = prefetched(threading.current_thread().name for _ in range(3))
    assert set(names) == {"seeding-prefetch"}


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("the second")

    received: list[int] = []
    with pytest.raises(LookupError, match="the second"):
        received.extend(prefetched(items()))
    assert (received, threads()) == ([1], [])


def test_a_consumer_that_stops_early_stops_the_thread() -> None:
    produced: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1_000_000):
            produced.append(item)
            yield item

    ahead = prefetched(items())
    assert next(ahead) == 0
    ahead.close()
    assert threads() == []
    assert len(produced) < 100
