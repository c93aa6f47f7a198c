"""Fire the chains that are due; the code that creates tasks is loaded when one is."""

from datetime import datetime
from typing import NamedTuple

from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.chains import chains


class Fired(NamedTuple):
    """How many tasks were created, how many did not fit, and how many chains fired."""

    created: int = 0
    misfits: int = 0
    chains: int = 0

    @classmethod
    def total(cls, *counts: "Fired") -> "Fired":
        """Return the sums."""
        return cls(*map(sum, zip(*counts, strict=True)))


def fire_due(workspace: Workspace, *, at: datetime, first: int | None = None) -> Fired:
    """Fire every chain that is due, the chain with id ``first`` before the others.

    Can run at any time, also several times at once; after an interruption the next call continues.
    Raises UnavailableError.
    """
    with workspace.store.read() as session:
        due = list(chains.list_chains_with_tasks(session))
    fired = Fired()
    for chain_id in sorted(due, key=lambda number: (number != first, number)):
        fired = Fired.total(fired, fire_chain(workspace, chain_id, at=at))
    return fired


def fire_chain(workspace: Workspace, chain_id: int, *, at: datetime) -> Fired:
    """Fire a chain, as ``fire.fire_chain`` does."""
    from tasks_lib.operations.chains import fire  # noqa: PLC0415 - loads Arrow

    return fire.fire_chain(workspace, chain_id, at=at)
