"""Drain chains: one run stays and fires them as tasks are finished, until all has been quiet.

While it works, no other one is started; see ``wake``. If a drain dies, its lease becomes stale, and
the next finished task starts another one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from tasks_lib.operations.chains.due import Fired, fire_chain, fire_due
from tasks_lib.operations.chains.wake import WAKE_UP, is_waking
from tasks_lib.operations.leases import Lease
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.chains import chain_inbox
from tasks_lib.store.chains.chain_inbox import Waiting
from tasks_lib.store.leases import LeaseName

LIFE: Final = timedelta(hours=1)
"""How long a drain stays at most; the next task wakes the next one."""

_PAUSE_SECONDS: Final = 0.25


class Inboxes:
    """The inboxes of all chains, without the tasks that could not be created as they are."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._fruitless: dict[int, Waiting] = {}

    def fire_changed(self) -> Fired:
        """Fire the chains with waiting tasks, without those that could not and are as they were."""
        with self._workspace.store.read() as session:
            waiting = chain_inbox.summarize(session)
        total = Fired()
        for chain_id, tasks in waiting.items():
            if self._fruitless.get(chain_id) == tasks:
                continue
            fired = fire_chain(self._workspace, chain_id, at=self._workspace.store.now())
            if fired.created:
                self._fruitless.pop(chain_id, None)
            else:
                self._fruitless[chain_id] = tasks
            total = Fired.total(total, fired)
        return total


class StandIn:
    """Fires chains for a drain whose process is starting, which takes seconds.

    ``on_pass`` is called before each look at the inboxes. The drain may come at any moment: each
    task is created once, by the first of the two.
    """

    def __init__(self, workspace: Workspace, on_pass: Callable[[], None]) -> None:
        self._workspace = workspace
        self._on_pass = on_pass
        self._inboxes: Inboxes | None = None

    def fire(self) -> Fired:
        """Fire the chains with waiting tasks if a drain was woken and has not come yet.

        Raises UnavailableError.
        """
        store = self._workspace.store
        if not is_waking(store, at=store.now()):
            self._inboxes = None
            return Fired()
        self._inboxes = self._inboxes or Inboxes(self._workspace)
        self._on_pass()
        return self._inboxes.fire_changed()


@dataclass
class Drain:
    """Fires all chains that are due, again and again.

    ``idle`` is how long it stays after the last task. ``on_pass`` is called before each look at the
    inboxes, ``on_fired`` after a pass that has created tasks.
    """

    workspace: Workspace
    name: str
    idle: timedelta
    on_pass: Callable[[], None] = lambda: None
    on_fired: Callable[[Fired], None] = lambda _: None
    life: timedelta = LIFE
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _inboxes: Inboxes = field(init=False)

    def __post_init__(self) -> None:
        self._inboxes = Inboxes(self.workspace)

    def run(self, first: int | None = None) -> Fired:
        """Fire every chain that is due, chain ``first`` before the others, and stay for more.

        Fires once and returns if another drain is at work. Raises UnavailableError.
        """
        lease = Lease(self.workspace.store, LeaseName.CHAINS, self.name)
        stays = lease.acquire(from_holder=WAKE_UP)
        total = Fired()
        try:
            started = idle_since = self.clock()
            at = self.workspace.store.now()
            total = self._fire(lambda: fire_due(self.workspace, at=at, first=first))
            while stays and self._is_wanted(started, idle_since):
                self.sleep(_PAUSE_SECONDS)
                stays = lease.keep()
                fired = self._fire(self._inboxes.fire_changed)
                if fired.created:
                    idle_since = self.clock()
                total = Fired.total(total, fired)
        finally:
            lease.release()
        # A task that was finished while the lease was held has woken nobody.
        return Fired.total(total, self._fire(self._inboxes.fire_changed))

    def _is_wanted(self, started: float, idle_since: float) -> bool:
        now = self.clock()
        return (
            now - idle_since < self.idle.total_seconds()
            and now - started < self.life.total_seconds()
        )

    def _fire(self, fire: Callable[[], Fired]) -> Fired:
        self.on_pass()
        fired = fire()
        if fired.created:
            self.on_fired(fired)
        return fired
