"""Create, change and delete chains, and explain why one has not fired."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.audit import Action
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.chains import Edge, Link, Trigger, find_cycle
from tasks_lib.domain.intake_rules import check_same_organization
from tasks_lib.domain.lifecycle import DONE
from tasks_lib.domain.mapping.drift import drift
from tasks_lib.domain.mapping.plans import columns_of, plan_mapping
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import NotFoundError, RejectedError, UsageError
from tasks_lib.operations.chains.groups import find_finished_group
from tasks_lib.operations.chains.plan import plan_chain
from tasks_lib.operations.groups.finish import settle_groups
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import audit, catalogue
from tasks_lib.store.chains import chain_inbox, chains
from tasks_lib.store.chains.chain_inbox import Misfit
from tasks_lib.store.chains.chains import StoredChain
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.counts import get_counts

_BLOCKING = (TaskStatus.FAILED, TaskStatus.ESCALATED, TaskStatus.QUARANTINED)
_MISFITS_SHOWN = 100


class ChainRejectedError(RejectedError):
    """A chain cannot be created: its mapping has problems, it closes a cycle, or it exists."""

    code = "chain_rejected"


@dataclass(frozen=True, kw_only=True)
class ChainRequest:
    """Which pipelines to chain, when to fire, and how the source's columns fill the fields.

    ``include_existing``: tasks that the source has finished before wait for the chain too.
    """

    target: str
    source: str
    trigger: Trigger
    mapping: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    include_existing: bool = False


class Automations(NamedTuple):
    """The functions that keep Prefect's automations in line with chains; neither raises.

    ``ensure`` creates or changes a chain's automation, ``remove`` deletes that of a deleted chain.
    """

    ensure: Callable[[Workspace, "Chain"], None]
    remove: Callable[["Chain"], None]


class Chain(NamedTuple):
    """A chain, how many tasks wait for it, and when it last was checked, fired and failed."""

    id: int
    name: str
    organization: str
    organization_id: int
    source: str
    source_pipeline_id: int
    target: str
    target_pipeline_id: int
    trigger: Trigger
    mapping: dict[str, str]
    skip: list[str]
    is_paused: bool
    waiting: int
    misfits: int
    oldest_waiting_at: datetime | None
    created_at: datetime
    looked_at: datetime | None
    fired_at: datetime | None
    failed_at: datetime | None
    error_code: str | None
    error_message: str | None
    automation_id: str | None
    automation_enabled: bool | None

    @property
    def link(self) -> Link:
        """The chain as a line of a graph."""
        return Link(self.source, self.target, self.trigger, self.is_paused)


class ChainExplanation(NamedTuple):
    """Why a chain has not fired: the source's tasks by status, the reasons, and the misfits."""

    chain: Chain
    source_tasks: dict[str, int]
    reasons: list[str]
    misfits: list[Misfit]


NO_AUTOMATIONS: Final = Automations(lambda _workspace, _chain: None, lambda _chain: None)
"""Without Prefect: chains fire whenever reconcile runs."""


def create_chain(workspace: Workspace, request: ChainRequest, *, at: datetime) -> Chain:
    """Create a chain; raise ChainRejectedError, NotFoundError or UsageError."""
    with workspace.store.write() as session:
        target = catalogue.find_pipeline(session, request.target)
        source = catalogue.find_pipeline(session, request.source)
        _check_ends(source, target)
        chains.lock_organization(session, target.organization_id)
        chain_inbox.lock_chains(session, source.id)
        _check_twin(session, source, target, request.trigger)
        _check_cycle(session, source, target)
        _check_plan(source, target, request.mapping, request.skip)
        chain = chains.insert_chain(
            session,
            organization_id=target.organization_id,
            source_pipeline_id=source.id,
            target_pipeline_id=target.id,
            trigger=request.trigger,
            mapping=request.mapping,
            skip=request.skip,
            columns=columns_of(source.fields),
            created_at=at,
        )
        if request.include_existing:
            chain_inbox.put_existing(session, chain)
        return _record(session, workspace.store, Action.CHAIN_CREATED, _describe(session, chain))


def edit_chain(
    store: Store,
    chain_id: int,
    *,
    trigger: Trigger | None = None,
    mapping: Mapping[str, str] | None = None,
    skip: Sequence[str] | None = None,
) -> Chain:
    """Change trigger, mapping or skipped fields; None leaves one unchanged.

    Raises NotFoundError and ChainRejectedError.
    """
    with store.write() as session:
        chains.lock_organization(session, _find(session, chain_id).organization_id)
        chain = _lock(session, chain_id)
        source = catalogue.get_pipeline(session, chain.source_pipeline_id)
        target = catalogue.get_pipeline(session, chain.target_pipeline_id)
        if trigger is not None:
            _check_twin(session, source, target, trigger, unlike=chain_id)
        edited = chain._replace(
            trigger=trigger if trigger is not None else chain.trigger,
            mapping=dict(mapping) if mapping is not None else chain.mapping,
            skip=list(skip) if skip is not None else chain.skip,
            columns=columns_of(source.fields),
        )
        _check_plan(source, target, edited.mapping, edited.skip)
        chains.save_chain(session, edited)
        return _record(session, store, Action.CHAIN_EDITED, _describe(session, edited))


def set_paused(store: Store, chain_id: int, *, is_paused: bool) -> Chain:
    """Pause or resume a chain; finished tasks wait for a paused one. Raises NotFoundError."""
    with store.write() as session:
        before = _lock(session, chain_id)
        chain = before._replace(is_paused=is_paused)
        chains.save_chain(session, chain)
        described = _describe(session, chain)
        if is_paused is before.is_paused:
            return described
        action = Action.CHAIN_PAUSED if is_paused else Action.CHAIN_RESUMED
        return _record(session, store, action, described)


def delete_chain(store: Store, chain_id: int) -> Chain:
    """Delete a chain and return it; the tasks that it created stay. Raises NotFoundError."""
    with store.write() as session:
        chain_inbox.lock_chains(session, _find(session, chain_id).source_pipeline_id)
        deleted = _describe(session, _lock(session, chain_id))
        chain_inbox.clear(session, chain_id)
        chains.delete_chain(session, chain_id)
        return _record(session, store, Action.CHAIN_DELETED, deleted)


def find_chain(store: Store, chain_id: int) -> Chain:
    """Return one chain; raise NotFoundError."""
    with store.read() as session:
        return _describe(session, _find(session, chain_id))


def list_chains(store: Store, organization: str | None = None) -> list[Chain]:
    """Return an organization's chains, or all, oldest first; raise NotFoundError."""
    with store.read() as session:
        organization_id = None
        if organization is not None:
            organization_id = catalogue.find_organization(session, organization)
        return [_describe(session, one) for one in chains.list_chains(session, organization_id)]


def list_chains_of(store: Store, organization_id: int) -> list[Chain]:
    """Return the chains of the organization with this id, oldest first."""
    with store.read() as session:
        return [_describe(session, one) for one in chains.list_chains(session, organization_id)]


def explain_chain(store: Store, chain_id: int) -> ChainExplanation:
    """Explain why a chain has not fired, and which tasks do not fit; raise NotFoundError."""
    settle_groups(store, at=store.now())
    with store.read() as session:
        stored = _find(session, chain_id)
        chain = _describe(session, stored)
        counts = get_counts(session, stored.source_pipeline_id).by_status
        misfits = chain_inbox.list_misfits(session, chain_id, _MISFITS_SHOWN)
        reasons = [
            *_reasons(chain, counts),
            *_open_groups(session, chain, stored),
            *_drift(session, stored),
        ]
    source_tasks = {status.value: count for status, count in counts.items()}
    return ChainExplanation(chain, source_tasks, reasons, misfits)


def record_automation(
    store: Store, chain_id: int, automation_id: str | None, *, is_enabled: bool | None
) -> None:
    """Record the automation of a chain and how it was last seen; a deleted chain is ignored."""
    with store.write() as session:
        chain = chains.lock_chain(session, chain_id)
        if chain is not None:
            seen = chain._replace(automation_id=automation_id, automation_enabled=is_enabled)
            chains.save_chain(session, seen)


def mirror_automations(store: Store, enabled: Mapping[str, bool]) -> list[int]:
    """Pause and resume chains whose automations were switched; return the ids of those changed.

    ``enabled`` is the current state of each automation, by its id. Only automations that were
    switched since they were last seen count.
    """
    changed = []
    with store.read() as session:
        switched = [one.id for one in chains.list_chains(session) if _is_switched(one, enabled)]
    for chain_id in switched:
        with store.write() as session:
            chain = chains.lock_chain(session, chain_id)
            if chain is not None and _is_switched(chain, enabled):
                is_on = enabled[chain.automation_id or ""]
                mirrored = chain._replace(automation_enabled=is_on, is_paused=not is_on)
                chains.save_chain(session, mirrored)
                changed.append(chain_id)
    return changed


def _record(session: Session, store: Store, action: Action, chain: Chain) -> Chain:
    """Record an act on a chain; return the chain."""
    details = {"on": chain.trigger.value, "mapping": chain.mapping, "skip": chain.skip}
    subject = f"chain {chain.id}, {chain.name}"
    audit.record(
        session,
        chain.organization_id,
        action,
        subject,
        by=store.actor,
        at=store.now(),
        details=details,
    )
    return chain


def _is_switched(chain: StoredChain, enabled: Mapping[str, bool]) -> bool:
    is_on = enabled.get(chain.automation_id or "")
    return is_on is not None and is_on is not chain.automation_enabled


def _reasons(chain: Chain, counts: Mapping[TaskStatus, int]) -> list[str]:
    reasons = []
    if chain.is_paused:
        reasons.append("it is paused; resume it, or switch its automation on")
    if chain.error_message is not None:
        reasons.append(chain.error_message)
    if not chain.waiting:
        reasons.append("no finished task waits for it")
    if chain.misfits:
        reasons.append(f"tasks that do not fit the target: {chain.misfits:,}")
    total = sum(counts.values())
    open_tasks = total - sum(counts[status] for status in DONE)
    if chain.trigger is Trigger.PIPELINE_COMPLETION and open_tasks:
        reasons.append(f"{open_tasks:,} of {total:,} tasks of {chain.source} are not finished")
        reasons += [f"{counts[s]:,} {s.value} block it" for s in _BLOCKING if counts[s]]
    return reasons


def _open_groups(session: Session, chain: Chain, stored: StoredChain) -> list[str]:
    waits = chain.trigger is Trigger.GROUP_COMPLETION and chain.waiting > chain.misfits
    if not waits or find_finished_group(session, stored) is not None:
        return []
    return ["none of the groups of the waiting tasks is finished"]


def _drift(session: Session, chain: StoredChain) -> list[str]:
    source = catalogue.get_pipeline(session, chain.source_pipeline_id)
    target = catalogue.get_pipeline(session, chain.target_pipeline_id)
    return drift(chain.columns, plan_chain(chain, source, target).columns)


def _check_ends(source: Pipeline, target: Pipeline) -> None:
    check_same_organization(source, target)
    if source.id == target.id:
        raise UsageError(f"pipeline {source.path} cannot be chained to itself")


def _check_twin(
    session: Session,
    source: Pipeline,
    target: Pipeline,
    trigger: Trigger,
    *,
    unlike: int | None = None,
) -> None:
    twin = chains.find_twin(session, source.id, target.id, trigger, unlike=unlike)
    if twin is not None:
        raise ChainRejectedError(
            f"chain {twin} leads from {source.path} to {target.path} on {trigger.value} already; "
            "edit that chain instead"
        )


def _check_cycle(session: Session, source: Pipeline, target: Pipeline) -> None:
    edges = chains.list_edges(session, source.organization_id)
    cycle = find_cycle(edges, Edge(source.id, target.id))
    if cycle:
        paths = [catalogue.get_pipeline(session, pipeline_id).path for pipeline_id in cycle]
        raise ChainRejectedError(
            f"the chain would close a cycle, and the chains would create tasks forever: "
            f"{' -> '.join(paths)}"
        )


def _check_plan(
    source: Pipeline, target: Pipeline, mapping: Mapping[str, str], skip: Sequence[str]
) -> None:
    plan = plan_mapping(columns_of(source.fields), target.fields, mapping, skip)
    if plan.obstacles:
        reasons = "; ".join(f"{problem.code}: {problem.message}" for problem in plan.obstacles)
        raise ChainRejectedError(f"{source.path} does not fit {target.path}: {reasons}")


def _find(session: Session, chain_id: int) -> StoredChain:
    return _check_exists(chains.find_chain(session, chain_id), chain_id)


def _lock(session: Session, chain_id: int) -> StoredChain:
    return _check_exists(chains.lock_chain(session, chain_id), chain_id)


def _check_exists(chain: StoredChain | None, chain_id: int) -> StoredChain:
    if chain is None:
        raise NotFoundError(f"there is no chain {chain_id}")
    return chain


def _describe(session: Session, chain: StoredChain) -> Chain:
    source = catalogue.get_pipeline(session, chain.source_pipeline_id)
    target = catalogue.get_pipeline(session, chain.target_pipeline_id)
    backlog = chain_inbox.get_backlog(session, chain.id)
    ends = f"{source.project}/{source.name} -> {target.project}/{target.name}"
    stored = {name: value for name, value in chain._asdict().items() if name in Chain._fields}
    return Chain(
        **stored,
        name=f"chain: {ends} on {chain.trigger.value.replace('-', ' ')}",
        organization=source.organization,
        source=source.path,
        target=target.path,
        waiting=backlog.tasks,
        misfits=backlog.misfits,
        oldest_waiting_at=backlog.oldest_at,
    )
