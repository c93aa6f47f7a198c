"""A second thread makes items ahead of their use, in order, and ends with the user."""

import threading
from collections.abc import Iterator

import pytest

from tasks_lib.intake.prefetch import prefetched


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "seeding-prefetch"]


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(prefetched(range(100))) == list(range(100))
    assert threads() == []


def test_items_are_made_by_another_thread() -> None:
    made_by = prefetched(threading.current_thread().name for _ in range(3))
    assert set(made_by) == {"seeding-prefetch"}


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("the second")

    taken: list[int] = []
    with pytest.raises(LookupError, match="the second"):
        taken.extend(prefetched(items()))
    assert (taken, threads()) == ([1], [])


def test_a_user_who_stops_early_stops_the_thread() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1_000_000):
            made.append(item)
            yield item

    ahead = prefetched(items())
    assert next(ahead) == 0
    ahead.close()
    assert threads() == []
    assert len(made) < 100
