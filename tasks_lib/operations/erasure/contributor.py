"""Replace a contributor's name by a pseudonym, wherever an organization has it."""

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final, NamedTuple

from tasks_lib.domain.audit import Action
from tasks_lib.domain.fields import check_requested_name
from tasks_lib.domain.lifecycle import Move
from tasks_lib.domain.names import counted
from tasks_lib.store import audit, catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.removal import erasure
from tasks_lib.store.tasks.moves import Note, Picks, move_tasks

_PSEUDONYM_LENGTH: Final = 16


class ErasedContributor(NamedTuple):
    """The pseudonym of a contributor in an organization, and where it was put."""

    organization: str
    pseudonym: str
    tasks: int
    moves: int
    released: int

    @property
    def sentence(self) -> str:
        """The result as a sentence."""
        released = f"; {counted(self.released, 'claim')} released" if self.released else ""
        return (
            f"The contributor is {self.pseudonym} in {self.organization} now: replaced in "
            f"{counted(self.tasks, 'task')} and {counted(self.moves, 'move')}{released}."
        )


def erase_contributor(
    store: Store, contributor: str, *, organization: str | None = None, at: datetime
) -> list[ErasedContributor]:
    """Replace the contributor's name in tasks, moves, groups and the audit trail.

    Without ``organization`` in all organizations; those that know the name are returned. The
    pseudonym of a name is always the same within an organization, and differs between them. Claims
    of the contributor are released first. Each pipeline is one transaction; after an interruption
    the next call continues. Raises NotFoundError and UsageError.
    """
    check_requested_name(contributor, "contributor")
    with store.read() as session:
        names = [organization] if organization else catalogue.list_organizations(session)
    erased = [_erase_in(store, name, contributor, at) for name in names]
    return [one for one in erased if one is not None]


def _erase_in(
    store: Store, organization: str, contributor: str, at: datetime
) -> ErasedContributor | None:
    """Replace the name in one organization; return None if nothing there names the contributor."""
    with store.write() as session:
        organization_id = catalogue.find_organization(session, organization)
        if not erasure.names_contributor(session, organization_id, contributor):
            return None
        salt = erasure.ensure_salt(session, organization_id, secrets.token_hex(32))
        pseudonym = _pseudonym(salt, contributor)
        by = store.actor if store.actor != contributor else pseudonym
        action = Action.CONTRIBUTOR_ERASED
        audit.record(session, organization_id, action, pseudonym, by=by, at=at)
        erasure.replace_in_audit(session, organization_id, contributor, pseudonym)
        pipeline_ids = erasure.list_pipelines_of(session, organization_id)
    tasks = moves = released = 0
    note = Note(pseudonym, at, "the contributor was erased")
    for pipeline_id in pipeline_ids:
        with store.write() as session:
            picks = Picks(claimed_by=contributor)
            while moved := move_tasks(session, pipeline_id, Move.RELEASE, picks, note):
                released += len(moved)
            replaced = erasure.replace_in_pipeline(session, pipeline_id, contributor, pseudonym)
        tasks += replaced.tasks
        moves += replaced.moves
    return ErasedContributor(organization, pseudonym, tasks, moves, released)


def _pseudonym(salt: str, contributor: str) -> str:
    """Return the pseudonym: without the salt, nobody can find out the name by trying names."""
    digest = hmac.new(salt.encode(), contributor.encode(), hashlib.sha256).hexdigest()
    return f"erased-{digest[:_PSEUDONYM_LENGTH]}"
