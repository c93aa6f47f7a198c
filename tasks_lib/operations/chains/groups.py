"""The groups on whose finish a chain fires."""

from sqlalchemy.orm import Session

from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.lifecycle import DONE
from tasks_lib.store.chains import chain_inbox
from tasks_lib.store.chains.chains import StoredChain
from tasks_lib.store.tasks.counts import get_group_counts


def find_finished_group(session: Session, chain: StoredChain) -> int | None:
    """Return the first finished group that has tasks waiting for a chain that fires on groups."""
    if chain.trigger is not Trigger.GROUP_COMPLETION:
        return None
    group_ids = chain_inbox.list_finished_groups(session, chain.id)
    counts = get_group_counts(session, chain.source_pipeline_id, group_ids)
    for group_id in group_ids:  # one that was reopened just now is listed still
        if all(not count for status, count in counts[group_id].items() if status not in DONE):
            return group_id
    return None
