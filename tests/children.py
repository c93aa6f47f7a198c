"""Child processes that tests can kill, each a fork of a server that has everything imported."""

import multiprocessing
import random
from typing import Final

CHILDREN: Final = multiprocessing.get_context("forkserver")
"""One fork server for all tests. Its preloaded modules can be set only once, so they are set here.

They include no test modules, because Python 3.11's server has no path to them. They include pandas
because Arrow imports it, if installed, with the first array of a process: that would take longer
than the work that tests interrupt.
"""

CHILDREN.set_forkserver_preload(
    [
        "pandas",
        "pytest",
        "s3fs",
        "tasks_lib.api.app",
        "tasks_lib.api.server",
        "tasks_lib.operations.catalogue.apply",
        "tasks_lib.operations.chains.fire",
        "tasks_lib.operations.groups.undo",
        "tasks_lib.operations.upkeep.reconcile",
        "tasks_lib.operations.seeding.seed_from_csv",
        "tasks_lib.operations.seeding.seed_from_dataset",
        "tasks_lib.operations.seeding.seed_from_zip",
    ]
)


class Moments:
    """Random moments within the duration of an undisturbed child, in seconds from its start.

    The machine may have been busier while the duration was measured, so each kill that comes too
    late shortens it for the next ones.
    """

    def __init__(self, duration: float, *, seed: int) -> None:
        self._duration = duration
        self._dice = random.Random(seed)

    def next(self) -> float:
        return self._dice.uniform(0, self._duration)

    def note(self, *, in_time: bool) -> bool:
        """Record whether the last moment was before the end of the child, and return that."""
        if not in_time:
            self._duration *= 0.8
        return in_time
