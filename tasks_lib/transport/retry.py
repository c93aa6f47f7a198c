"""Retry calls to a storage that does not respond, with growing pauses, for a limited time."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from tasks_lib.errors import StorageRefusedError, StorageUnavailableError

Answer = TypeVar("Answer")

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0


def keep_trying(
    attempt: Callable[[], Answer],
    *,
    seconds: float,
    wait: Callable[[float], bool | None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Call ``attempt`` until it succeeds, or ``seconds`` after its first failure.

    Raises its last StorageUnavailableError, and a StorageRefusedError at once. Also stops when
    ``wait`` returns True, which means that it was interrupted.
    """
    pause, deadline = _FIRST_PAUSE_SECONDS, None
    while True:
        try:
            return attempt()
        except StorageRefusedError:
            raise
        except StorageUnavailableError:
            deadline = clock() + seconds if deadline is None else deadline
            left = deadline - clock()
            if left <= 0 or wait(min(pause, left)):
                raise
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
