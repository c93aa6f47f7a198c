"""How far long work is, for whoever draws it."""

from collections.abc import Callable
from typing import NamedTuple

from tasks_lib.domain.names import counted


class Progress(NamedTuple):
    """Work done, of how much (bytes, or rows), and what it held: ``1,200 rows``, ``310 files``."""

    done: int
    total: int
    items: int
    noun: str = "row"

    @property
    def sentence(self) -> str:
        """What is done, for a person."""
        return counted(self.items, self.noun)


OnProgress = Callable[[Progress], None]
