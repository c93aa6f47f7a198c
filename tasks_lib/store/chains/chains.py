"""Chains: insert, find, lock, save and delete them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from tasks_lib.domain.chains import Edge, Trigger
from tasks_lib.domain.mapping.conversions import Column, columns_from_json, columns_to_json
from tasks_lib.store.tables.base import MAX_ID
from tasks_lib.store.tables.catalogue import OrganizationRow
from tasks_lib.store.tables.chains import ChainInboxRow, ChainRow

_CHAINS: Final = ChainRow.metadata.tables[ChainRow.__tablename__]


class StoredChain(NamedTuple):
    """A chain. ``columns`` are the source's columns when it was created or last edited.

    ``plan_sha256`` identifies the plan that waiting tasks were last tried with.
    ``automation_enabled`` is how the automation was last seen.
    """

    id: int
    organization_id: int
    source_pipeline_id: int
    target_pipeline_id: int
    trigger: Trigger
    mapping: dict[str, str]
    skip: list[str]
    columns: tuple[Column, ...]
    plan_sha256: str | None
    is_paused: bool
    automation_id: str | None
    automation_enabled: bool | None
    created_at: datetime
    looked_at: datetime | None
    fired_at: datetime | None
    failed_at: datetime | None
    error_code: str | None
    error_message: str | None
    announced_failure_at: datetime | None


def insert_chain(
    session: Session,
    *,
    organization_id: int,
    source_pipeline_id: int,
    target_pipeline_id: int,
    trigger: Trigger,
    mapping: Mapping[str, str],
    skip: Sequence[str],
    columns: Sequence[Column],
    created_at: datetime,
) -> StoredChain:
    """Insert a chain and return it; the caller has checked that it has no twin."""
    statement = insert(_CHAINS).values(
        organization_id=organization_id,
        source_pipeline_id=source_pipeline_id,
        target_pipeline_id=target_pipeline_id,
        trigger=trigger.value,
        mapping=dict(mapping),
        skip=list(skip),
        columns=columns_to_json(columns),
        is_paused=False,
        created_at=created_at,
    )
    return _chain(session.execute(statement.returning(*_COLUMNS)).one())


def find_chain(session: Session, chain_id: int) -> StoredChain | None:
    """Return the chain with this id, or None."""
    row = session.execute(_SELECT.where(_CHAINS.c.id == _clamp(chain_id))).one_or_none()
    return _chain(row) if row is not None else None


def lock_chain(session: Session, chain_id: int) -> StoredChain | None:
    """Lock the chain against firing, changes and deletion, and return it; None if it is gone.

    Tasks can still be put into its inbox, so that a submission does not wait until it has fired.
    """
    statement = _SELECT.where(_CHAINS.c.id == _clamp(chain_id)).with_for_update(key_share=True)
    row = session.execute(statement).one_or_none()
    return _chain(row) if row is not None else None


def save_chain(session: Session, chain: StoredChain) -> None:
    """Write the values of a chain that this transaction has locked."""
    values = chain._asdict() | {
        "trigger": chain.trigger.value,
        "columns": columns_to_json(chain.columns),
    }
    del values["id"]
    session.execute(update(_CHAINS).where(_CHAINS.c.id == chain.id).values(values))


def list_chains(session: Session, organization_id: int | None = None) -> list[StoredChain]:
    """Return the organization's chains, or all, oldest first."""
    statement = _SELECT.order_by(_CHAINS.c.id)
    if organization_id is not None:
        statement = statement.where(_CHAINS.c.organization_id == organization_id)
    return [_chain(row) for row in session.execute(statement)]


def list_unannounced_failures(session: Session) -> list[StoredChain]:
    """Return the chains whose failure was not announced to Prefect yet, oldest first."""
    announced = _CHAINS.c.announced_failure_at
    is_pending = or_(announced.is_(None), announced != _CHAINS.c.failed_at)
    statement = _SELECT.where(_CHAINS.c.failed_at.is_not(None), is_pending)
    return [_chain(row) for row in session.execute(statement.order_by(_CHAINS.c.id))]


def mark_failure_announced(session: Session, chain: StoredChain) -> None:
    """Record that the failure of the chain was announced to Prefect."""
    session.execute(
        update(_CHAINS).where(_CHAINS.c.id == chain.id).values(announced_failure_at=chain.failed_at)
    )


def list_chains_of_sources(session: Session, pipeline_ids: Sequence[int]) -> list[StoredChain]:
    """Return the chains that start at these pipelines, oldest first."""
    statement = _SELECT.where(_CHAINS.c.source_pipeline_id.in_(pipeline_ids))
    return [_chain(row) for row in session.execute(statement.order_by(_CHAINS.c.id))]


def delete_chain(session: Session, chain_id: int) -> None:
    """Delete the chain; the tasks that it created stay."""
    session.execute(delete(_CHAINS).where(_CHAINS.c.id == chain_id))


def lock_organization(session: Session, organization_id: int) -> None:
    """Lock the organization's chains against changes until the transaction ends."""
    session.execute(
        select(OrganizationRow.id)
        .where(OrganizationRow.id == organization_id)
        .with_for_update(key_share=True)
    )


def list_edges(session: Session, organization_id: int) -> list[Edge]:
    """Return the organization's chains as a graph."""
    statement = select(_CHAINS.c.source_pipeline_id, _CHAINS.c.target_pipeline_id)
    rows = session.execute(statement.where(_CHAINS.c.organization_id == organization_id))
    return [Edge(source_id, target_id) for source_id, target_id in rows]


def find_twin(
    session: Session, source_id: int, target_id: int, trigger: Trigger, *, unlike: int | None = None
) -> int | None:
    """Return the id of another chain with the same source, target and trigger, or None."""
    statement = select(ChainRow.id).where(
        ChainRow.source_pipeline_id == source_id,
        ChainRow.target_pipeline_id == target_id,
        ChainRow.trigger == trigger.value,
    )
    if unlike is not None:
        statement = statement.where(ChainRow.id != unlike)
    return session.scalar(statement)


def list_chains_with_tasks(session: Session) -> Sequence[int]:
    """Return the ids of the chains that are not paused and have tasks waiting, misfits included."""
    waits = select(ChainInboxRow.task_id).where(ChainInboxRow.chain_id == ChainRow.id).exists()
    statement = select(ChainRow.id).where(ChainRow.is_paused.is_(False), waits)
    return session.scalars(statement.order_by(ChainRow.id)).all()


_COLUMNS: Final = tuple(_CHAINS.c[name] for name in StoredChain._fields)
_SELECT: Final = select(*_COLUMNS)


def _chain(row: Row[Any]) -> StoredChain:
    chain = StoredChain._make(row)
    return chain._replace(trigger=Trigger(row.trigger), columns=columns_from_json(row.columns))


def _clamp(chain_id: int) -> int:
    return max(-MAX_ID, min(chain_id, MAX_ID))
