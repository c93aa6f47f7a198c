"""Repeat an act in a thread of its own while a block runs."""

import logging
import threading
from collections.abc import Callable
from typing import Final, Self

from tasks_lib.errors import UnavailableError

logger = logging.getLogger(__name__)


class Background:
    """A thread that calls ``act`` periodically; with ``at_end``, also once at the end.

    After an UnavailableError it waits longer and longer. ``act`` must lose nothing when it fails,
    because it is called again.
    """

    _LONGEST_PAUSE_SECONDS: Final = 30.0

    def __init__(
        self,
        name: str,
        act: Callable[[], object],
        *,
        every_seconds: float,
        at_end: bool = False,
    ) -> None:
        self._act = act
        self._every_seconds = every_seconds
        self._at_end = at_end
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        pause = self._every_seconds
        while not self._ended.wait(pause):
            pause = self._every_seconds if self._has_acted() else self._longer(pause)
        if self._at_end:
            self._has_acted()

    def _has_acted(self) -> bool:
        try:
            self._act()
        except UnavailableError as error:
            logger.warning("%s; it is tried again later", error)
            return False
        return True

    def _longer(self, pause: float) -> float:
        return max(self._every_seconds, min(2 * pause, self._LONGEST_PAUSE_SECONDS))
