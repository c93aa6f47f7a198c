"""Child processes that tests can kill, each a fork of a server that has everything imported."""

import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Final

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
        "tasks_lib.api.serving.server",
        "tasks_lib.operations.catalogue.apply",
        "tasks_lib.operations.chains.fire",
        "tasks_lib.operations.groups.undo",
        "tasks_lib.operations.results.export",
        "tasks_lib.operations.retention.expire",
        "tasks_lib.output.result_table",
        "tasks_lib.operations.upkeep.reconcile",
        "tasks_lib.operations.seeding.create_tasks",
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


class Victims:
    """Children that run ``act``, each killed at a random moment of it.

    ``act`` gets a connection as its last argument. It sends a message when it begins and another
    one at its end. The first child is not disturbed: the moments are within its duration.
    """

    def __init__(self, act: Callable[..., None], *, seed: int) -> None:
        self._act = act
        self._seed = seed
        self._moments: Moments | None = None
        self._killed = self._in_time = 0

    def spare(self, *arguments: Any) -> None:
        """Let the first child finish, and measure how long it takes."""
        child, pipe = self._start(*arguments)
        began = time.monotonic()
        pipe.recv()
        self._moments = Moments(time.monotonic() - began, seed=self._seed)
        child.join()

    def kill(self, *arguments: Any) -> None:
        """Kill a child at the next moment; see ``note``."""
        assert self._moments is not None, "the first child is to be spared"
        child, _ = self._start(*arguments)
        time.sleep(self._moments.next())
        child.kill()
        child.join()
        self._killed += 1

    def note(self, *, in_time: bool) -> None:
        """Record whether the last child was killed before it had done its work."""
        assert self._moments is not None
        self._in_time += self._moments.note(in_time=in_time)

    def check(self) -> None:
        """Fail if too few children were killed before they had done their work."""
        assert self._in_time >= self._killed // 4, "the kills came too late to prove anything"

    def _start(self, *arguments: Any) -> tuple[ForkServerProcess, Connection]:
        here, there = CHILDREN.Pipe()
        child = CHILDREN.Process(target=self._act, args=(*arguments, there))
        child.start()
        here.recv()
        return child, here
