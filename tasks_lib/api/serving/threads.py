"""Threads for requests that write, apart from those that read.

A writer may wait for the store. If all threads did so, nobody could read, and the health check
would not be answered.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from anyio import CapacityLimiter, Semaphore, fail_after, to_thread
from anyio.lowlevel import RunVar

from tasks_lib.errors import StoreUnavailableError

WRITERS: Final = 40
"""How many requests may write at a time, or wait for the store to let them."""

Result = TypeVar("Result")


class _Threads:
    """The places for writers, and the limit of threads that belongs to them."""

    def __init__(self) -> None:
        self.places = Semaphore(WRITERS)
        self.limiter = CapacityLimiter(WRITERS)


_threads = RunVar[_Threads]("seeding_writers")


async def run_writer(write: Callable[[], Result], *, patience_seconds: float) -> Result:
    """Call ``write`` in a thread for writers.

    Raises StoreUnavailableError if none becomes free for so long; then nothing was called.
    """
    threads = _threads.get(None) or _Threads()
    _threads.set(threads)
    try:
        with fail_after(patience_seconds):
            await threads.places.acquire()
    except TimeoutError:
        raise StoreUnavailableError(
            f"{WRITERS} requests wait for the store already; it is locked, or too slow"
        ) from None
    try:
        return await to_thread.run_sync(write, limiter=threads.limiter)
    finally:
        threads.places.release()
