"""Task groups: create the group of a source, complete it, and keep the report of its run."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import JSON, bindparam, delete, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tasks_lib.domain.naming import UNNAMED, Naming
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import GroupState, SeedKind
from tasks_lib.store.dialect import is_postgresql, upsert
from tasks_lib.store.tables.base import MAX_ID, UtcDateTime
from tasks_lib.store.tables.counts import GroupCountRow
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.runs import SeedingRunRow

_GROUPS: Final = TaskGroupRow.metadata.tables[TaskGroupRow.__tablename__]
_INSERT: Final = text(
    """
    INSERT INTO task_groups (pipeline_id, kind, seed_key, source, created_at, stream_id, chain_id,
        task_count, rejected_count, announce_at, name, labels)
    VALUES (:pipeline_id, :kind, :seed_key, :source, :at, :stream_id, :chain_id, :task_count, 0,
        :announce_at, :name, :labels)
    ON CONFLICT (pipeline_id, seed_key) DO NOTHING
    RETURNING id
    """
).bindparams(
    bindparam("at", type_=UtcDateTime),
    bindparam("announce_at", type_=UtcDateTime),
    bindparam("labels", type_=JSON),
)
"""A text because it runs for every request; see ``dialect.upsert``."""

_COMPLETE: Final = (
    update(_GROUPS)
    .where(_GROUPS.c.id == bindparam("group_id"))
    .values(
        task_count=bindparam("task_count"),
        rejected_count=bindparam("rejected"),
        announce_at=bindparam("announce_at"),
    )
)


class StoredGroup(NamedTuple):
    """A task group: one seeding, how many tasks it has, and how many rows were rejected.

    ``removed_count`` is the number of tasks that an undo has removed, ``expired_count`` of those
    whose retention was over.
    """

    id: int
    pipeline_id: int
    kind: SeedKind
    source: str
    created_at: datetime
    task_count: int
    rejected_count: int
    state: GroupState
    removed_count: int
    undone_by: str | None
    undone_at: datetime | None
    finished_at: datetime | None
    name: str | None
    labels: Mapping[str, str]
    expired_count: int

    @property
    def naming(self) -> Naming:
        """The name and the labels."""
        return Naming(self.name, self.labels)

    @property
    def created_count(self) -> int:
        """The number of tasks that were created, without those that were undone."""
        return self.task_count + self.expired_count


class StoredReport(NamedTuple):
    """The report of a run, its page in the Prefect UI if it has one, and its group's naming."""

    run_id: str
    run_url: str | None
    report: Report
    naming: Naming = UNNAMED


class EnsuredGroup(NamedTuple):
    """The group that holds a seed key, and whether this transaction created it.

    ``task_count`` is the number of tasks that were created in it.
    """

    group_id: int
    is_new: bool
    task_count: int
    stream_id: int | None = None


def ensure_group(
    session: Session,
    *,
    pipeline_id: int,
    kind: SeedKind,
    seed_key: str,
    source: str,
    at: datetime,
    stream_id: int | None = None,
    chain_id: int | None = None,
    task_count: int = 0,
    announce_at: datetime | None = None,
    naming: Naming = UNNAMED,
) -> EnsuredGroup:
    """Create the group for ``seed_key``, or return the one that holds it.

    While another transaction creates a group with the same key, this waits for its end; so of two
    that seed the same source at the same moment, one does. A caller that passes ``task_count`` and
    ``announce_at`` does not need to complete the group.
    """
    values = {
        "pipeline_id": pipeline_id,
        "kind": kind.value,
        "seed_key": seed_key,
        "source": source,
        "at": at,
        "stream_id": stream_id,
        "chain_id": chain_id,
        "task_count": task_count,
        "announce_at": announce_at,
        "name": naming.name,
        "labels": dict(naming.labels),
    }
    # On SQLite a conflict would use up an id; there, no other transaction writes meanwhile.
    group = None if is_postgresql(session) else find_group(session, pipeline_id, seed_key)
    if group is None:
        new_id: int | None = session.scalar(_INSERT, values)
        if new_id is not None:
            return EnsuredGroup(new_id, is_new=True, task_count=task_count, stream_id=stream_id)
        group = find_group(session, pipeline_id, seed_key)
    assert group is not None, "a conflict without the row that it conflicts with"  # noqa: S101
    return EnsuredGroup(group.id, is_new=False, task_count=group.created_count)


def find_group(session: Session, pipeline_id: int, seed_key: str) -> StoredGroup | None:
    """Return the group that holds ``seed_key`` in the pipeline, or None."""
    statement = _SELECT.where(_GROUPS.c.pipeline_id == pipeline_id, _GROUPS.c.seed_key == seed_key)
    row = session.execute(statement).one_or_none()
    return _group(*row) if row is not None else None


def has_group_of_rows(session: Session, pipeline_id: int, kind: SeedKind, rows: int) -> bool:
    """Return True if the pipeline has a group of a kind that was made of so many rows.

    Good and bad rows count; tasks that were removed since then do not.
    """
    columns = _GROUPS.c
    statement = select(columns.id).where(
        columns.pipeline_id == pipeline_id,
        columns.kind == kind.value,
        columns.task_count + columns.expired_count + columns.rejected_count == rows,
    )
    return session.scalar(statement.limit(1)) is not None


def replace_seed_key(session: Session, group_id: int, seed_key: str) -> bool:
    """Replace the key of a group; return False if another group has it.

    Then the transaction must be rolled back. While another one creates a group with the same key,
    this waits for its end.
    """
    statement = update(TaskGroupRow).where(TaskGroupRow.id == group_id)
    try:
        session.execute(statement.values(seed_key=seed_key))
    except IntegrityError:
        return False
    return True


def get_group(session: Session, group_id: int) -> StoredGroup:
    """Return the group with this id, which must exist."""
    return _group(*session.execute(_SELECT.where(_GROUPS.c.id == group_id)).one())


def find_by_id(session: Session, group_id: int) -> StoredGroup | None:
    """Return the group with this id, or None."""
    statement = _SELECT.where(_GROUPS.c.id == min(group_id, MAX_ID))
    row = session.execute(statement).one_or_none()
    return _group(*row) if row is not None else None


def list_by_ids(session: Session, group_ids: Sequence[int]) -> list[StoredGroup]:
    """Return the groups with these ids that exist, by id."""
    statement = _SELECT.where(_GROUPS.c.id.in_(group_ids)).order_by(_GROUPS.c.id)
    return [_group(*row) for row in session.execute(statement)]


def list_groups(
    session: Session, pipeline_id: int, *, after: int = 0, limit: int | None = None
) -> list[StoredGroup]:
    """Return the pipeline's groups, oldest first, with ids after ``after``; at most ``limit``."""
    statement = (
        _SELECT.where(_GROUPS.c.pipeline_id == pipeline_id, _GROUPS.c.id > min(after, MAX_ID))
        .order_by(_GROUPS.c.id)
        .limit(limit)
    )
    return [_group(*row) for row in session.execute(statement)]


def complete_group(
    session: Session,
    group_id: int,
    *,
    task_count: int,
    rejected: int,
    announce_at: datetime | None,
) -> None:
    """Record what went into the group, just before its transaction is committed.

    A relay announces the group to Prefect at ``announce_at``. None is for a group whose run saves a
    report, which is announced instead.
    """
    counts = {"task_count": task_count, "rejected": rejected, "announce_at": announce_at}
    session.execute(_COMPLETE, {"group_id": group_id, **counts})


def save_source_version(session: Session, group_id: int, version: int) -> None:
    """Record which version of its dataset the group was seeded from."""
    values = {"source_version": version}
    session.execute(update(TaskGroupRow).where(TaskGroupRow.id == group_id).values(values))


def grow_group(session: Session, group_id: int, added: int) -> None:
    """Record that more tasks went into the group. This is not announced to Prefect."""
    session.execute(
        update(TaskGroupRow)
        .where(TaskGroupRow.id == group_id)
        .values(task_count=TaskGroupRow.task_count + added)
    )


def delete_group(session: Session, group_id: int) -> None:
    """Delete a group that has no tasks."""
    session.execute(delete(GroupCountRow).where(GroupCountRow.group_id == group_id))
    session.execute(delete(TaskGroupRow).where(TaskGroupRow.id == group_id))


def list_unannounced(session: Session, *, at: datetime, limit: int) -> list[StoredGroup]:
    """Return groups that should have been announced to Prefect by ``at``, oldest first."""
    statement = _SELECT.where(_GROUPS.c.announce_at <= at)
    rows = session.execute(statement.order_by(_GROUPS.c.announce_at).limit(limit))
    return [_group(*row) for row in rows]


def count_unannounced(session: Session) -> int:
    """Return how many groups have not been announced to Prefect."""
    statement = select(func.count()).where(TaskGroupRow.announce_at.is_not(None))
    return session.scalar(statement) or 0


def mark_announced(session: Session, groups: Iterable[StoredGroup]) -> None:
    """Record that these groups were announced to Prefect in the states that they had then.

    A group that was undone meanwhile is still to be announced.
    """
    ids: dict[GroupState, list[int]] = {}
    for group in groups:
        ids.setdefault(group.state, []).append(group.id)
    for state, group_ids in ids.items():
        session.execute(
            update(TaskGroupRow)
            .where(TaskGroupRow.id.in_(group_ids), TaskGroupRow.state == state.value)
            .values(announce_at=None)
            .execution_options(synchronize_session=False)
        )


def find_report(session: Session, run_id: str) -> Report | None:
    """Return the report of a run, or None."""
    row = session.get(SeedingRunRow, run_id)
    return Report.model_validate(row.report) if row is not None else None


def save_report(
    session: Session,
    run_id: str,
    report: Report,
    *,
    at: datetime,
    run_url: str | None,
    announce_at: datetime | None,
    naming: Naming = UNNAMED,
) -> None:
    """Save the run's report; it replaces the one of an earlier attempt of the same run.

    The caller announces the report to Prefect before ``announce_at``; otherwise a relay does.
    """
    session.merge(
        SeedingRunRow(
            id=run_id,
            pipeline_id=report.pipeline_id,
            group_id=report.group_id,
            finished_at=at,
            report=report.model_dump(mode="json"),
            run_url=run_url,
            announce_at=announce_at,
            name=naming.name,
            labels=dict(naming.labels),
        )
    )
    session.flush()


def lock_run(
    session: Session, run_id: str, pipeline_id: int, *, at: datetime
) -> StoredGroup | None:
    """Let no other transaction work for the run; return the group that it has seeded, or None.

    The lock is the row of the run's report, which ``save_report`` fills in. While another
    transaction holds it, this waits for its end.
    """
    empty = Report(pipeline_id=pipeline_id, source="").model_dump(mode="json")
    values = {"id": run_id, "pipeline_id": pipeline_id, "finished_at": at, "report": empty}
    session.execute(upsert(session, SeedingRunRow, ["id"]), values)
    statement = select(SeedingRunRow.group_id).where(SeedingRunRow.id == run_id).with_for_update()
    group_id = session.scalar(statement)
    return find_by_id(session, group_id) if group_id is not None else None


def list_unannounced_reports(session: Session, *, at: datetime, limit: int) -> list[StoredReport]:
    """Return reports that should have been announced to Prefect by ``at``, oldest first."""
    statement = (
        select(
            SeedingRunRow.id,
            SeedingRunRow.run_url,
            SeedingRunRow.report,
            SeedingRunRow.name,
            SeedingRunRow.labels,
        )
        .where(SeedingRunRow.announce_at <= at)
        .order_by(SeedingRunRow.announce_at)
        .limit(limit)
    )
    return [
        StoredReport(run_id, run_url, Report.model_validate(report), Naming(name, labels))
        for run_id, run_url, report, name, labels in session.execute(statement)
    ]


def count_unannounced_reports(session: Session) -> int:
    """Return how many reports have not been announced to Prefect."""
    statement = select(func.count()).where(SeedingRunRow.announce_at.is_not(None))
    return session.scalar(statement) or 0


def mark_reports_announced(session: Session, run_ids: Iterable[str]) -> None:
    """Record that the reports of these runs were announced to Prefect."""
    session.execute(
        update(SeedingRunRow)
        .where(SeedingRunRow.id.in_(list(run_ids)))
        .values(announce_at=None)
        .execution_options(synchronize_session=False)
    )


_SELECT: Final = select(*(_GROUPS.c[name] for name in StoredGroup._fields))


_KIND: Final = StoredGroup._fields.index("kind")
_STATE: Final = StoredGroup._fields.index("state")


def _group(*row: Any) -> StoredGroup:
    values = list(row)
    values[_KIND] = SeedKind(values[_KIND])
    values[_STATE] = GroupState(values[_STATE])
    return StoredGroup._make(values)
