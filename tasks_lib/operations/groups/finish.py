"""Find the groups that have finished, so that events, chains and waiting flows follow."""

from datetime import datetime

from tasks_lib.store.engine import Store
from tasks_lib.store.groups import finished_groups
from tasks_lib.store.groups.finished_groups import Unsettled


def settle_groups(store: Store, *, at: datetime) -> list[Unsettled]:
    """Record which groups have finished and which were reopened; return the finished ones.

    A group has finished when all of its tasks are finished or withdrawn. Several processes can do
    this at once: each finish is recorded by one of them.
    """
    with store.read() as session:
        if not finished_groups.list_unsettled(session):
            return []
    with store.write() as session:
        return [
            entry
            for entry in finished_groups.list_unsettled(session)
            if finished_groups.settle(session, entry, at=at) and entry.has_finished
        ]
