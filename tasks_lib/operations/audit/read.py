"""List the entries of the audit trail."""

from typing import NamedTuple

from tasks_lib.domain.audit import AuditEntry
from tasks_lib.errors import UsageError
from tasks_lib.store import audit, catalogue
from tasks_lib.store.engine import Store


class AuditPage(NamedTuple):
    """Some entries, newest first; ``next`` is the one after which older ones begin, if any."""

    entries: list[AuditEntry]
    next: int | None


def list_entries(
    store: Store, organization: str | None = None, *, before: int | None = None, limit: int = 50
) -> AuditPage:
    """Return what was done in an organization, or in all, newest first.

    Raises NotFoundError for the organization, and UsageError unless the limit is at least 1.
    """
    if limit < 1:
        raise UsageError(f"the limit is {limit}; it must be at least 1")
    with store.read() as session:
        organization_id = None
        if organization is not None:
            organization_id = catalogue.find_organization(session, organization)
        entries = audit.list_entries(session, organization_id, before=before, limit=limit + 1)
    page = entries[:limit]
    return AuditPage(page, page[-1].id if len(entries) > limit else None)
