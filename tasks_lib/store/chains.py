"""Chains: make, find, lock and delete them."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tasks_lib.domain.chains import Edge
from tasks_lib.store.tables import MAX_ID, ChainInboxRow, ChainRow, OrganizationRow


def lock_organization(session: Session, organization_id: int) -> None:
    """Let nobody else change the organization's chains until the transaction ends."""
    session.execute(
        select(OrganizationRow.id).where(OrganizationRow.id == organization_id).with_for_update()
    )


def edges(session: Session, organization_id: int) -> list[Edge]:
    """Return the organization's chains as a graph."""
    statement = select(ChainRow.source_pipeline_id, ChainRow.target_pipeline_id)
    found = session.execute(statement.where(ChainRow.organization_id == organization_id))
    return [Edge(source, target) for source, target in found]


def find_chain(session: Session, chain_id: int) -> ChainRow | None:
    """Return the chain, or None."""
    return session.get(ChainRow, max(-MAX_ID, min(chain_id, MAX_ID)))


def lock_chain(session: Session, chain_id: int) -> ChainRow | None:
    """Return the chain, or None; nobody else drains, changes or deletes it meanwhile."""
    statement = select(ChainRow).where(ChainRow.id == max(-MAX_ID, min(chain_id, MAX_ID)))
    return session.scalar(statement.with_for_update())


def list_chains(session: Session, organization_id: int | None = None) -> list[ChainRow]:
    """Return the organization's chains, or all, oldest first."""
    statement = select(ChainRow).order_by(ChainRow.id)
    if organization_id is not None:
        statement = statement.where(ChainRow.organization_id == organization_id)
    return list(session.scalars(statement))


def find_twin(
    session: Session, source_id: int, target_id: int, trigger: str, *, unlike: int | None = None
) -> int | None:
    """Return another chain of the same source, target and trigger, or None."""
    statement = select(ChainRow.id).where(
        ChainRow.source_pipeline_id == source_id,
        ChainRow.target_pipeline_id == target_id,
        ChainRow.trigger == trigger,
    )
    if unlike is not None:
        statement = statement.where(ChainRow.id != unlike)
    return session.scalar(statement)


def chains_with_tasks(session: Session) -> Sequence[int]:
    """Return the chains that are not paused and for which tasks wait, those that fit or not."""
    waits = select(ChainInboxRow.task_id).where(ChainInboxRow.chain_id == ChainRow.id).exists()
    statement = select(ChainRow.id).where(ChainRow.is_paused.is_(False), waits)
    return session.scalars(statement.order_by(ChainRow.id)).all()


def delete_chain(session: Session, chain_id: int) -> None:
    """Delete the chain; what it made stays."""
    session.execute(delete(ChainRow).where(ChainRow.id == chain_id))
