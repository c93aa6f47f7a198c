"""Child processes that tests can kill, each a fork of a server that has everything imported."""

import multiprocessing
import random
from typing import Final

CHILDREN: Final = multiprocessing.get_context("forkserver")
"""There is one server for all tests, and what it imports first is said once, so here.

Test modules are not among it: Python 3.11's server has no path to them. Where pandas is installed,
Arrow imports it with a process's first array: for longer than what is killed then lasts.
"""

CHILDREN.set_forkserver_preload(
    [
        "pandas",
        "pytest",
        "s3fs",
        "tasks_lib.api.app",
        "tasks_lib.api.server",
        "tasks_lib.operations.apply_catalogue",
        "tasks_lib.operations.draining",
        "tasks_lib.operations.reconcile",
        "tasks_lib.operations.seed_from_csv",
        "tasks_lib.operations.seed_from_dataset",
        "tasks_lib.operations.seed_from_zip",
    ]
)


class Moments:
    """Random moments within what a child takes that is left alone, in seconds from its beginning.

    A busy machine was perhaps busier when that was measured: each kill that comes too late brings
    the next ones forward.
    """

    def __init__(self, duration: float, *, seed: int) -> None:
        self._duration = duration
        self._dice = random.Random(seed)

    def next(self) -> float:
        return self._dice.uniform(0, self._duration)

    def note(self, *, in_time: bool) -> bool:
        """Hear whether the last moment was before the child was through; return it."""
        if not in_time:
            self._duration *= 0.8
        return in_time
