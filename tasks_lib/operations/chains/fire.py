"""Fire chains: create tasks from the finished tasks that wait, and record why others do not fit.

Each waiting task is a row in the chain's inbox. The transaction that creates the target's task
removes it, and uses the same stream as ``seed pipeline``, so that neither repeats the other's work.
"""

from datetime import datetime
from uuid import uuid4

from sqlalchemy.orm import Session

from tasks_lib.domain.chains import Trigger
from tasks_lib.domain.intake_rules import why_closed
from tasks_lib.domain.mapping.drift import drift
from tasks_lib.domain.names import other_problems
from tasks_lib.domain.statuses import SeedKind, TaskStatus
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.operations.chains.due import Fired
from tasks_lib.operations.chains.fill import fill_group
from tasks_lib.operations.chains.groups import find_finished_group
from tasks_lib.operations.chains.locked import LockedChain, lock_chain
from tasks_lib.operations.groups.finish import settle_groups
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.chains import chain_inbox, chains
from tasks_lib.store.chains.chains import StoredChain
from tasks_lib.store.chains.streams import Stream, find_stream, lock_stream
from tasks_lib.store.groups import task_groups
from tasks_lib.store.groups.task_groups import EnsuredGroup
from tasks_lib.store.tasks.counts import get_counts


def fire_chain(workspace: Workspace, chain_id: int, *, at: datetime) -> Fired:
    """Fire a chain until nothing is due; a reason that prevents this is saved with the chain.

    A chain whose JSONPath is too costly is paused: firing it again would be as costly.
    """
    settle_groups(workspace.store, at=at)
    fired, removes_seeded = Fired(), True
    while _prepare(workspace, chain_id, at, removes_seeded=removes_seeded):
        try:
            batch = _fire(workspace, chain_id, at)
        except SourceProblemError as error:
            _stop(workspace, chain_id, error, at)
            break
        if batch is None:
            break
        fired = Fired.total(fired, batch)
        removes_seeded = not batch.created  # somebody else may have created them all
    return fired._replace(chains=1 if fired.created else 0)


def _prepare(workspace: Workspace, chain_id: int, at: datetime, *, removes_seeded: bool) -> bool:
    """Return True if the chain is to fire; save the reason with the chain if it cannot.

    ``removes_seeded``: remove tasks that the stream holds already from the inbox.
    """
    with workspace.store.write() as session:
        chain = lock_chain(session, chain_id)
        if chain is None or chain.stored.is_paused:
            return False
        looked_at = chain.stored._replace(looked_at=at)
        problems = _obstacles(chain)
        if problems:
            chains.save_chain(session, _with_failure(looked_at, problems, at))
            return False
        if chain.stored.plan_sha256 != chain.plan_sha256:
            chain_inbox.reset_misfits(session, chain_id)
        chains.save_chain(session, _without_failure(looked_at, chain.plan_sha256))
        stream = find_stream(session, chain.target.id, chain.rows.key)
        if removes_seeded and stream is not None:
            chain_inbox.remove_seeded(session, chain_id, stream.id)
        return chain_inbox.has_due(session, chain_id) and _is_triggered(session, chain.stored)


def _fire(workspace: Workspace, chain_id: int, at: datetime) -> Fired | None:
    """Create the tasks in one transaction; return None if the chain has changed meanwhile."""
    with workspace.store.write() as session:
        chain = lock_chain(session, chain_id)
        if (
            chain is None
            or chain.stored.is_paused
            or chain.stored.plan_sha256 != chain.plan_sha256
            or _obstacles(chain)
            or not _is_triggered(session, chain.stored)
        ):
            return None
        source_group = find_finished_group(session, chain.stored)
        stream = _lock_stream(session, chain)
        seed_key = f"chain:{chain.stored.id} {uuid4()}"
        group = _ensure_group(session, chain, seed_key, stream, at)
        report = fill_group(workspace, session, chain, group, stream.id, at, source_group)
        if report.rejected:  # announces the group as well
            task_groups.save_report(session, seed_key, report, at=at, run_url=None, announce_at=at)
        if report.group_id is not None:
            task_groups.complete_group(
                session,
                group.group_id,
                task_count=report.created,
                rejected=report.rejected,
                announce_at=None if report.rejected else at,
            )
            chains.save_chain(session, chain.stored._replace(fired_at=at))
        else:
            task_groups.delete_group(session, group.group_id)
        return Fired(report.created, report.rejected)


def _obstacles(chain: LockedChain) -> list[Problem]:
    """Return why the chain cannot create tasks, and with it how the source has changed."""
    closed = why_closed(chain.target)
    if closed is not None:
        return [closed]
    problems = chain.plan.obstacles
    changes = drift(chain.stored.columns, chain.plan.columns) if problems else []
    return [
        problem._replace(message="; ".join((problem.message, *changes)))
        if problem.code != "mapping_drifted"  # which says it already
        else problem
        for problem in problems
    ]


def _stop(workspace: Workspace, chain_id: int, error: SourceProblemError, at: datetime) -> None:
    """Pause a chain that cannot go on, and save the reason with it."""
    with workspace.store.write() as session:
        stored = chains.lock_chain(session, chain_id)
        if stored is not None:
            message = f"{error}. The chain is paused: edit its mapping and resume it"
            problem = error.problems[0]._replace(message=message)
            stopped = _with_failure(stored._replace(is_paused=True), [problem], at)
            chains.save_chain(session, stopped)


def _with_failure(chain: StoredChain, problems: list[Problem], at: datetime) -> StoredChain:
    """Return the chain with the reason why it cannot fire, and since when that is the reason."""
    message = f"{problems[0].message}{other_problems(len(problems) - 1)}"
    return chain._replace(
        failed_at=chain.failed_at if chain.error_message == message else at,
        error_code=problems[0].code,
        error_message=message,
    )


def _without_failure(chain: StoredChain, plan_sha256: str) -> StoredChain:
    return chain._replace(
        plan_sha256=plan_sha256, failed_at=None, error_code=None, error_message=None
    )


def _is_triggered(session: Session, chain: StoredChain) -> bool:
    """Return True if the trigger's condition holds, given that tasks wait."""
    if chain.trigger is Trigger.TASK_COMPLETION:
        return True
    if chain.trigger is Trigger.GROUP_COMPLETION:
        return find_finished_group(session, chain) is not None
    counts = get_counts(session, chain.source_pipeline_id)
    return counts.left == 0 < counts.by_status[TaskStatus.FINISHED]


def _lock_stream(session: Session, chain: LockedChain) -> Stream:
    key = chain.rows.key
    latest = find_stream(session, chain.target.id, key)
    return lock_stream(session, chain.target.id, key, latest.generation if latest else 1)


def _ensure_group(
    session: Session, chain: LockedChain, seed_key: str, stream: Stream, at: datetime
) -> EnsuredGroup:
    return task_groups.ensure_group(
        session,
        pipeline_id=chain.target.id,
        kind=SeedKind.CHAIN,
        seed_key=seed_key,
        source=chain.source.path,
        at=at,
        stream_id=stream.id,
        chain_id=chain.stored.id,
    )
