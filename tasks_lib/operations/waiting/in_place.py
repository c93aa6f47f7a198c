"""Wait for groups in this process."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from tasks_lib.domain.progress import OnProgress
from tasks_lib.operations.waiting.look import Look, look
from tasks_lib.store.engine import Store

_PAUSE_SECONDS: Final = 1.0


def wait_in_place(
    store: Store,
    group_ids: Sequence[int],
    *,
    timeout: float | None,
    on_progress: OnProgress = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Look:
    """Wait until the groups are finished or ``timeout`` seconds are over; return the last look.

    Raises NotFoundError, GroupUndoneError and UnavailableError.
    """
    give_up_at = clock() + timeout if timeout is not None else None
    while True:
        seen = look(store, group_ids)
        seen.check_undone()
        on_progress(seen.progress)
        left = give_up_at - clock() if give_up_at is not None else _PAUSE_SECONDS
        if seen.is_finished or left <= 0:
            return seen
        sleep(min(left, _PAUSE_SECONDS))
