"""Fire chains: make tasks of what waits for them, each once, and say of the others why not.

What waits is a row of the inbox. It is taken away in the transaction that makes the task, which
goes through the same stream as ``seed pipeline``, so that neither makes what the other has made.
"""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import datetime
from typing import Final, NamedTuple
from uuid import uuid4

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.conversions import Column
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.mapping import Plan, columns_of, drift, plan_mapping
from tasks_lib.domain.mapping_plan import compile_plan
from tasks_lib.domain.problems import Problem
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.intake.mapped_rows import ChainIntake, RowFeed, SourceRow
from tasks_lib.operations.loading import write_tasks
from tasks_lib.operations.seed_from_pipeline import PipelineSource
from tasks_lib.operations.workspace import Workspace
from tasks_lib.policy.intake_rules import why_closed
from tasks_lib.store import catalogue, chain_inbox, chains, task_groups
from tasks_lib.store.counts import counts_of
from tasks_lib.store.streams import Stream, find_stream, lock_stream
from tasks_lib.store.tables import ChainRow
from tasks_lib.store.task_groups import GroupClaim
from tasks_lib.store.task_rows import task_rows
from tasks_lib.store.tasks import NewTasks

TASKS_AT_ONCE: Final = 20_000
"""In a transaction, where a chain fires on each task; and in memory, on SQLite and PostgreSQL."""


class Fired(NamedTuple):
    """How many tasks were made, how many did not fit, by how many chains."""

    created: int = 0
    misfits: int = 0
    chains: int = 0

    def __add__(self, other: object) -> "Fired":
        """Add up what two chains did."""
        assert isinstance(other, Fired)  # noqa: S101
        return Fired(*(mine + yours for mine, yours in zip(self, other, strict=True)))


def drain_due(workspace: Workspace, *, at: datetime, first: int | None = None) -> Fired:
    """Fire every chain that is due, ``first`` before the others.

    May run at any time and beside itself; interrupted, the next one goes on. Raises
    UnavailableError.
    """
    with workspace.store.read() as session:
        due = list(chains.chains_with_tasks(session))
    fired = Fired()
    for chain_id in sorted(due, key=lambda number: (number != first, number)):
        fired += drain_chain(workspace, chain_id, at=at)
    return fired


def drain_chain(workspace: Workspace, chain_id: int, *, at: datetime) -> Fired:
    """Fire a chain until nothing is due; what keeps it from firing is noted at the chain."""
    fired, takes = Fired(), True
    while _prepare(workspace, chain_id, at, takes=takes):
        made = _fire(workspace, chain_id, at)
        if made is None:
            break
        fired += made
        takes = not made.created  # somebody else may have made them all
    return fired._replace(chains=1 if fired.created else 0)


class _Chain(NamedTuple):
    """A locked chain with its ends, and what fills the target's fields as they are now."""

    row: ChainRow
    source: Pipeline
    target: Pipeline
    plan: Plan

    @property
    def sha256(self) -> str:
        """What tells whether tasks that did not fit might do so now."""
        columns = [(column.name, column.type.value) for column in self.plan.columns]
        fields = [field.model_dump(mode="json") for field in self.target.fields]
        parts = [self.row.mapping, sorted(self.row.skip), columns, fields]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _prepare(workspace: Workspace, chain_id: int, at: datetime, *, takes: bool) -> bool:
    """Look whether the chain is to fire, and note what keeps it from that.

    ``takes``: take away what has gone into the stream without it.
    """
    with workspace.store.write() as session:
        chain = _lock(session, chain_id)
        if chain is None or chain.row.is_paused:
            return False
        chain.row.looked_at = at
        problems = _obstacles(chain)
        if problems:
            note_failure(chain.row, problems, at)
            return False
        chain.row.failed_at = chain.row.error_code = chain.row.error_message = None
        if chain.row.plan_sha256 != chain.sha256:
            chain_inbox.forgive(session, chain_id)
            chain.row.plan_sha256 = chain.sha256
        stream = find_stream(session, chain.target.id, PipelineSource(chain.source).key)
        if takes and stream is not None:
            chain_inbox.take(session, chain_id, stream.id)
        return chain_inbox.has_due(session, chain_id) and is_triggered(session, chain.row)


def _fire(workspace: Workspace, chain_id: int, at: datetime) -> Fired | None:
    """Make the tasks in one transaction; return None where something has come between."""
    with workspace.store.write() as session:
        chain = _lock(session, chain_id)
        if (
            chain is None
            or chain.row.is_paused
            or chain.row.plan_sha256 != chain.sha256
            or _obstacles(chain)
            or not is_triggered(session, chain.row)
        ):
            return None
        stream = _lock_stream(session, chain)
        claim = _claim_group(session, chain, stream, at)
        fired = _fill(workspace, session, chain, claim, at)
        if not fired.created:
            task_groups.delete_group(session, claim.group_id)
            return fired
        task_groups.complete_group(
            session,
            claim.group_id,
            task_count=fired.created,
            rejected=fired.misfits,
            announce_at=at,
        )
        chain.row.fired_at = at
        return fired


def _fill(
    workspace: Workspace, session: Session, chain: _Chain, claim: GroupClaim, at: datetime
) -> Fired:
    """Make tasks of some thousands, or of all that waits where the whole pipeline is to be done."""
    assert claim.stream_id is not None  # noqa: S101
    fired, last_id = Fired(), 0
    with workspace.store.read() as reading:
        while True:
            batches = task_rows(
                reading,
                chain.source.id,
                status=TaskStatus.FINISHED,
                unless_in_stream=claim.stream_id,
                waiting_for_chain=chain.row.id,
                after=last_id,
                limit=TASKS_AT_ONCE,
            )
            taken = _Taken(batches)
            feed = RowFeed(0, iter(taken), PipelineSource(chain.source).parse)
            with (
                closing(batches),
                ChainIntake(feed, compile_plan(chain.plan), workspace.limits) as intake,
            ):
                news = (NewTasks(*batch) for batch in intake.batches())
                created = write_tasks(session, chain.target, claim, news)
            chain_inbox.mark_misfits(session, chain.row.id, intake.misfits, at)
            fired += Fired(created, len(intake.misfits))
            last_id = taken.last_id
            chain_inbox.take(session, chain.row.id, claim.stream_id, up_to=last_id)
            if chain.row.trigger == Trigger.TASK_COMPLETION or taken.count < TASKS_AT_ONCE:
                return fired


class _Taken:
    """Batches as they pass, with how many rows have passed and which was the last."""

    def __init__(self, batches: Generator[list[SourceRow]]) -> None:
        self.count = 0
        self.last_id = 0
        self._batches = batches

    def __iter__(self) -> Iterator[list[SourceRow]]:
        for batch in self._batches:
            self.count += len(batch)
            self.last_id = batch[-1][0]
            yield batch


def _lock(session: Session, chain_id: int) -> _Chain | None:
    row = chains.lock_chain(session, chain_id)
    if row is None:
        return None
    source = catalogue.find_pipeline(session, str(row.source_pipeline_id))
    target = catalogue.lock_pipeline(session, row.target_pipeline_id)
    return _Chain(row, source, target, plan_of(row, source, target))


def plan_of(row: ChainRow, source: Pipeline, target: Pipeline) -> Plan:
    """Decide anew which column fills which field."""
    return plan_mapping(columns_of(source.fields), target.fields, row.mapping, row.skip)


def columns_then(row: ChainRow) -> list[Column]:
    """Return the source's columns as they were when the chain was made or edited."""
    return [Column(entry["name"], FieldType(entry["type"])) for entry in row.columns]


def _obstacles(chain: _Chain) -> list[Problem]:
    """Return why the chain makes no tasks, if it does not; what has changed is said with it."""
    closed = why_closed(chain.target)
    if closed is not None:
        return [closed]
    problems = list(chain.plan.problems)
    if not problems and not chain.plan.filled:
        problems = [Problem("nothing_mapped", "no column fills any field")]
    changed = drift(columns_then(chain.row), chain.plan.columns) if problems else []
    return [
        problem._replace(message="; ".join((problem.message, *changed))) for problem in problems
    ]


def note_failure(row: ChainRow, problems: list[Problem], at: datetime) -> None:
    """Write down at the chain what keeps it from firing."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    row.failed_at = at
    row.error_code = problems[0].code
    row.error_message = f"{problems[0].message}{more}"


def is_triggered(session: Session, row: ChainRow) -> bool:
    """Tell whether the source has come as far as the trigger asks; tasks wait in any case."""
    if row.trigger == Trigger.TASK_COMPLETION:
        return True
    counts = counts_of(session, row.source_pipeline_id)
    return 0 < counts.total == counts.by_status[TaskStatus.FINISHED]


def _lock_stream(session: Session, chain: _Chain) -> Stream:
    key = PipelineSource(chain.source).key
    latest = find_stream(session, chain.target.id, key)
    return lock_stream(session, chain.target.id, key, latest.generation if latest else 1)


def _claim_group(session: Session, chain: _Chain, stream: Stream, at: datetime) -> GroupClaim:
    return task_groups.claim_group(
        session,
        pipeline_id=chain.target.id,
        kind="chain",
        seed_key=f"chain:{chain.row.id} {uuid4()}",
        source=chain.source.path,
        at=at,
        stream_id=stream.id,
        chain_id=chain.row.id,
    )
