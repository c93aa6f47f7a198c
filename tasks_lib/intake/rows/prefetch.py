"""Read and check ahead in one thread while another writes."""

from collections.abc import Generator, Iterable
from queue import Queue
from threading import Event, Thread
from typing import Final, NamedTuple, TypeVar

_T = TypeVar("_T")
_DEPTH: Final = 2


class _End(NamedTuple):
    error: BaseException | None


def prefetched(items: Iterable[_T]) -> Generator[_T]:
    """Yield ``items`` in order; a second thread produces them, at most two ahead.

    Raises the errors of ``items``. If the consumer stops early, the thread ends with it.
    """
    queue: Queue[_T | _End] = Queue(_DEPTH)
    stopped = Event()

    def produce() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if stopped.is_set():
                    return
                queue.put(item)
        except BaseException as raised:  # noqa: BLE001 - handed over, and raised there
            error = raised
        queue.put(_End(error))

    thread = Thread(target=produce, name="seeding-prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        while thread.is_alive():
            _drain(queue)
            thread.join(timeout=0.01)


def _drain(queue: "Queue[_T | _End]") -> None:
    while not queue.empty():
        queue.get_nowait()
