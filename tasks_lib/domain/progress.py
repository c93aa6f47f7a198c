"""The progress of long work."""

from collections.abc import Callable
from typing import NamedTuple

from tasks_lib.domain.names import counted


class Progress(NamedTuple):
    """Progress: ``done`` of ``total`` bytes or rows, with ``items`` named by ``noun`` so far."""

    done: int
    total: int
    items: int
    noun: str = "row"

    @property
    def sentence(self) -> str:
        """The number of items so far, such as ``1,200 rows``."""
        return counted(self.items, self.noun)


OnProgress = Callable[[Progress], None]
