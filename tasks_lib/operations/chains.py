"""Make chains, change and delete them, and tell why one has not fired."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.chains import Edge, Link, Trigger
from tasks_lib.domain.mapping import columns_of, drift, plan_mapping
from tasks_lib.domain.problems import Problem
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import NotFoundError, RejectedError, UsageError
from tasks_lib.operations.draining import columns_then, plan_of
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.chain_rules import cycle_with
from tasks_lib.store import catalogue, chain_inbox, chains, datasets
from tasks_lib.store.counts import counts_of
from tasks_lib.store.engine import Store
from tasks_lib.store.tables import ChainRow

_BLOCKING = (TaskStatus.FAILED, TaskStatus.ESCALATED, TaskStatus.QUARANTINED)
_MISFITS_SHOWN = 100


class ChainRejectedError(RejectedError):
    """A chain that cannot be: of a mapping with problems, of a cycle, or there already."""

    code = "chain_rejected"


@dataclass(frozen=True)
class ChainRequest:
    """Which pipelines to join, when to fire, and how the source's columns fill the fields."""

    target: str
    source: str
    trigger: Trigger
    mapping: Mapping[str, str] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    include_existing: bool = False


class Automations(NamedTuple):
    """What keeps Prefect's automations in line with chains; neither of them ever fails a caller.

    ``ensure`` makes or changes a chain's automation, ``remove`` deletes that of one that is gone.
    """

    ensure: Callable[[Store, "Chain"], None]
    remove: Callable[["Chain"], None]


class Chain(NamedTuple):
    """A chain, what waits for it, and when it last did what."""

    id: int
    name: str
    organization: str
    organization_id: int
    source: str
    source_pipeline_id: int
    target: str
    target_pipeline_id: int
    trigger: str
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
        """The chain as a line of a drawing."""
        return Link(self.source, self.target, Trigger(self.trigger), self.is_paused)


class Misfit(NamedTuple):
    """A finished task that did not fit the target, and why."""

    task_id: int
    code: str
    message: str
    tried_at: datetime | None


class Explained(NamedTuple):
    """A chain, and why it has not fired: the source's tasks, what blocks, what does not fit."""

    chain: Chain
    source_tasks: dict[str, int]
    reasons: list[str]
    misfits: list[Misfit]


NO_AUTOMATIONS: Final = Automations(lambda _store, _chain: None, lambda _chain: None)
"""Where there is no Prefect: chains fire whenever reconcile runs."""


def create_chain(workspace: Workspace, request: ChainRequest, *, at: datetime) -> Chain:
    """Make a chain; raise ChainRejectedError, NotFoundError or UsageError if it cannot be."""
    with workspace.store.write() as session:
        target = catalogue.find_pipeline(session, request.target)
        source = catalogue.find_pipeline(session, request.source)
        _check_ends(source, target)
        chains.lock_organization(session, target.organization_id)
        chain_inbox.hold_chains(session, source.id)
        _check_twin(session, source, target, request.trigger)
        _check_cycle(session, source, target)
        _check_plan(source, target, request.mapping, request.skip)
        row = ChainRow(
            organization_id=target.organization_id,
            source_pipeline_id=source.id,
            target_pipeline_id=target.id,
            trigger=request.trigger.value,
            mapping=dict(request.mapping),
            skip=list(request.skip),
            columns=_columns(source),
            created_at=at,
        )
        session.add(row)
        session.flush()
        if request.include_existing:
            chain_inbox.put_existing(session, row)
        return _chain(session, row)


def edit_chain(
    store: Store,
    chain_id: int,
    *,
    trigger: Trigger | None = None,
    mapping: Mapping[str, str] | None = None,
    skip: Sequence[str] | None = None,
) -> Chain:
    """Change trigger, mapping or skipped fields; None leaves one as it is. Nothing waits twice."""
    with store.write() as session:
        chains.lock_organization(session, _row(session, chain_id).organization_id)
        row = _locked(session, chain_id)
        source = catalogue.find_pipeline(session, str(row.source_pipeline_id))
        target = catalogue.find_pipeline(session, str(row.target_pipeline_id))
        if trigger is not None:
            _check_twin(session, source, target, trigger, unlike=chain_id)
            row.trigger = trigger.value
        row.mapping = dict(mapping) if mapping is not None else row.mapping
        row.skip = list(skip) if skip is not None else row.skip
        _check_plan(source, target, row.mapping, row.skip)
        row.columns = _columns(source)
        session.flush()
        return _chain(session, row)


def set_paused(store: Store, chain_id: int, *, is_paused: bool) -> Chain:
    """Pause a chain or let it go on; meanwhile finished tasks wait for it."""
    with store.write() as session:
        row = _locked(session, chain_id)
        row.is_paused = is_paused
        session.flush()
        return _chain(session, row)


def delete_chain(store: Store, chain_id: int) -> Chain:
    """Delete a chain and return what it was; the tasks that it made stay."""
    with store.write() as session:
        chain_inbox.hold_chains(session, _row(session, chain_id).source_pipeline_id)
        deleted = _chain(session, _locked(session, chain_id))
        chain_inbox.empty(session, chain_id)
        chains.delete_chain(session, chain_id)
        return deleted


def find_chain(store: Store, chain_id: int) -> Chain:
    """Return one chain; raise NotFoundError."""
    with store.read() as session:
        return _chain(session, _row(session, chain_id))


def list_chains(store: Store, organization: str | None = None) -> list[Chain]:
    """Return an organization's chains, or all, oldest first; raise NotFoundError."""
    with store.read() as session:
        number = None
        if organization is not None:
            number = datasets.find_organization(session, organization)
        return [_chain(session, row) for row in chains.list_chains(session, number)]


def explain_chain(store: Store, chain_id: int) -> Explained:
    """Tell what keeps a chain from firing, and which tasks do not fit; raise NotFoundError."""
    with store.read() as session:
        row = _row(session, chain_id)
        chain = _chain(session, row)
        counts = counts_of(session, row.source_pipeline_id).by_status
        found = chain_inbox.misfits(session, chain_id, _MISFITS_SHOWN)
        misfits = [
            Misfit(one.task_id, one.error_code or "", one.error_message or "", one.tried_at)
            for one in found
        ]
        reasons = [*_reasons(chain, counts), *_drift(session, row)]
    source_tasks = {status.value: count for status, count in counts.items()}
    return Explained(chain, source_tasks, reasons, misfits)


def record_automation(
    store: Store, chain_id: int, automation_id: str | None, *, is_enabled: bool | None
) -> None:
    """Note which automation wakes a chain, and how it was last seen."""
    with store.write() as session:
        row = chains.lock_chain(session, chain_id)
        if row is not None:
            row.automation_id, row.automation_enabled = automation_id, is_enabled


def mirror_automations(store: Store, enabled: Mapping[str, bool]) -> list[int]:
    """Pause and resume chains as their automations were switched; return those that changed.

    ``enabled`` tells it by the automation's id. What was switched since it was last seen counts.
    """
    changed = []
    with store.read() as session:
        switched = [row.id for row in chains.list_chains(session) if _is_switched(row, enabled)]
    for chain_id in switched:
        with store.write() as session:
            row = chains.lock_chain(session, chain_id)
            if row is not None and _is_switched(row, enabled):
                row.automation_enabled = enabled[row.automation_id or ""]
                row.is_paused = not row.automation_enabled
                changed.append(chain_id)
    return changed


def _is_switched(row: ChainRow, enabled: Mapping[str, bool]) -> bool:
    now = enabled.get(row.automation_id or "")
    return now is not None and now is not row.automation_enabled


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
    if chain.trigger == Trigger.PIPELINE_COMPLETION and counts[TaskStatus.FINISHED] < total:
        open_tasks = total - counts[TaskStatus.FINISHED]
        reasons.append(f"{open_tasks:,} of {total:,} tasks of {chain.source} are not finished")
        reasons += [f"{counts[s]:,} {s.value} block it" for s in _BLOCKING if counts[s]]
    return reasons


def _drift(session: Session, row: ChainRow) -> list[str]:
    source = catalogue.find_pipeline(session, str(row.source_pipeline_id))
    target = catalogue.find_pipeline(session, str(row.target_pipeline_id))
    return drift(columns_then(row), plan_of(row, source, target).columns)


def _check_ends(source: Pipeline, target: Pipeline) -> None:
    if source.organization_id != target.organization_id:
        raise UsageError(
            f"pipeline {source.path} is of another organization than {target.path}, "
            "and nothing crosses an organization"
        )
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
    twin = chains.find_twin(session, source.id, target.id, trigger.value, unlike=unlike)
    if twin is not None:
        raise ChainRejectedError(
            f"chain {twin} leads from {source.path} to {target.path} on {trigger.value} already; "
            f"change it with: seeding chain edit {twin}"
        )


def _check_cycle(session: Session, source: Pipeline, target: Pipeline) -> None:
    edges = chains.edges(session, source.organization_id)
    cycle = cycle_with(edges, Edge(source.id, target.id))
    if cycle:
        paths = [catalogue.find_pipeline(session, str(number)).path for number in cycle]
        raise ChainRejectedError(
            f"the chain would close a cycle, and tasks would make tasks for ever: "
            f"{' -> '.join(paths)}"
        )


def _check_plan(
    source: Pipeline, target: Pipeline, mapping: Mapping[str, str], skip: Sequence[str]
) -> None:
    plan = plan_mapping(columns_of(source.fields), target.fields, mapping, skip)
    problems = list(plan.problems)
    if not problems and not plan.filled:
        message = "no column fills any field; map one by hand, as field=column"
        problems = [Problem("nothing_mapped", message)]
    if problems:
        told = "; ".join(f"{problem.code}: {problem.message}" for problem in problems)
        raise ChainRejectedError(f"{source.path} does not fit {target.path}: {told}")


def _columns(source: Pipeline) -> list[dict[str, str]]:
    return [{"name": name, "type": kind.value} for name, kind in columns_of(source.fields)]


def _row(session: Session, chain_id: int) -> ChainRow:
    row = chains.find_chain(session, chain_id)
    if row is None:
        raise NotFoundError(f"there is no chain {chain_id}")
    return row


def _locked(session: Session, chain_id: int) -> ChainRow:
    row = chains.lock_chain(session, chain_id)
    if row is None:
        raise NotFoundError(f"there is no chain {chain_id}")
    return row


def _chain(session: Session, row: ChainRow) -> Chain:
    source = catalogue.find_pipeline(session, str(row.source_pipeline_id))
    target = catalogue.find_pipeline(session, str(row.target_pipeline_id))
    waiting = chain_inbox.waiting(session, row.id)
    ends = f"{source.project}/{source.name} -> {target.project}/{target.name}"
    values: dict[str, Any] = {
        name: getattr(row, name)
        for name in Chain._fields
        if name in ChainRow.__table__.columns  # the others are told of below
    }
    return Chain(
        **values,
        name=f"chain: {ends} on {row.trigger.replace('-', ' ')}",
        organization=source.organization,
        source=source.path,
        target=target.path,
        waiting=waiting.tasks,
        misfits=waiting.misfits,
        oldest_waiting_at=waiting.oldest_at,
    )
