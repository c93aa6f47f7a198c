"""Record how far the exports of results have come, so that each task is exported once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Row, and_, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from tasks_lib.store.dialect import upsert
from tasks_lib.store.tables.base import MAX_ID
from tasks_lib.store.tables.results import DeclaredResultsRow, ResultExportRow

IN_USE: Final = timedelta(days=30)
"""An export that no catalogue declares is in use for so long after it ran."""


_EXPORTS: Final = ResultExportRow.metadata.tables[ResultExportRow.__tablename__]
_OF_KEY: Final = select(_EXPORTS).where(
    _EXPORTS.c.pipeline_id == bindparam("pipeline_id"), _EXPORTS.c.scope == bindparam("scope")
)
"""Without the mapper, whose set-up takes a third of the time of a process's first export."""


class ExportKey(NamedTuple):
    """An export: its pipeline, and its scope in the pipeline."""

    pipeline_id: int
    scope: str


class Part(NamedTuple):
    """A part of the order of finishing: after ``after``, up to and with ``until``."""

    after: int
    until: int


class StoredExport(NamedTuple):
    """An export, the part that is being exported, if any, and what is to be announced.

    The files of tasks up to ``files_until`` are copied.
    """

    pipeline_id: int
    scope: str
    destination: str
    group_id: int | None
    exported_until: int
    files_until: int
    pending: Part | None
    exported: int
    announce_at: datetime | None

    @property
    def key(self) -> ExportKey:
        """The key of the export."""
        return ExportKey(self.pipeline_id, self.scope)


def ensure_export(
    session: Session, key: ExportKey, *, destination: str, group_id: int | None, at: datetime
) -> StoredExport:
    """Return the export, which is created if there is none, and record that it runs."""
    values = {
        **key._asdict(),
        "destination": destination,
        "group_id": group_id,
        "exported_until": 0,
        "files_until": 0,
        "exported": 0,
        "ran_at": at,
    }
    unique = ["pipeline_id", "scope"]
    session.execute(upsert(session, ResultExportRow, unique, update=["ran_at"]), values)
    return get_export(session, key)


def get_export(session: Session, key: ExportKey) -> StoredExport:
    """Return the export, which must exist."""
    return _export(session.execute(_OF_KEY, key._asdict()).one())


def find_export(session: Session, key: ExportKey) -> StoredExport | None:
    """Return the export, or None if it never ran."""
    row = session.execute(_OF_KEY, key._asdict()).one_or_none()
    return None if row is None else _export(row)


def list_exporting(session: Session, destination: str) -> list[int]:
    """Return the pipelines that have exports to a destination."""
    statement = (
        select(ResultExportRow.pipeline_id)
        .where(ResultExportRow.destination == destination)
        .distinct()
    )
    return list(session.scalars(statement))


def begin_part(session: Session, key: ExportKey, part: Part, *, known: int) -> StoredExport:
    """Record that a part is being exported, unless another run is exporting one already.

    ``known`` is the end of what had been exported when the part was chosen; if another run has
    exported more since then, nothing is recorded. Returns the export as it is now.
    """
    session.execute(
        update(ResultExportRow)
        .where(
            ResultExportRow.pipeline_id == key.pipeline_id,
            ResultExportRow.scope == key.scope,
            ResultExportRow.pending_until.is_(None),
            ResultExportRow.exported_until == known,
        )
        .values(pending_from=part.after, pending_until=part.until)
    )
    return get_export(session, key)


def complete_part(
    session: Session,
    key: ExportKey,
    part: Part,
    *,
    exported: int,
    announce_at: datetime | None,
    with_files: bool = False,
) -> bool:
    """Record that a part is at the destination; return False if another run has done so before."""
    if with_files:
        note_files(session, key, part)
    values: dict[str, Any] = {"exported_until": part.until, "pending_from": None}
    values["pending_until"] = None
    if exported:
        total = case(
            (ResultExportRow.announce_at.is_(None), exported),
            else_=ResultExportRow.exported + exported,
        )
        values |= {"exported": total, "announce_at": announce_at}
    done = session.scalar(
        update(ResultExportRow)
        .where(
            ResultExportRow.pipeline_id == key.pipeline_id,
            ResultExportRow.scope == key.scope,
            ResultExportRow.pending_from == part.after,
            ResultExportRow.pending_until == part.until,
        )
        .values(**values)
        .returning(ResultExportRow.exported_until)
    )
    return done is not None


def note_files(session: Session, key: ExportKey, part: Part) -> None:
    """Record that the files of a part's tasks are copied, if those of all tasks before it are."""
    session.execute(
        update(ResultExportRow)
        .where(
            ResultExportRow.pipeline_id == key.pipeline_id,
            ResultExportRow.scope == key.scope,
            ResultExportRow.files_until >= part.after,
            ResultExportRow.files_until < part.until,
        )
        .values(files_until=part.until)
    )


class Held(NamedTuple):
    """The finished tasks that exports still have to bring to a destination.

    They are those with finish numbers above ``after``, or in a group above that of the group.
    """

    after: int
    by_group: Mapping[int, int]

    def holds(self, group_id: int, finish_number: int) -> bool:
        """Return whether an export still needs the task."""
        return finish_number > min(self.after, self.by_group.get(group_id, self.after))


def find_held(session: Session, pipeline_id: int, *, at: datetime) -> Held:
    """Return the tasks that a declared export, or one that ran lately, still needs."""
    exported = func.coalesce(ResultExportRow.exported_until, 0)
    declared = session.scalar(
        select(func.min(exported))
        .select_from(DeclaredResultsRow)
        .join(
            ResultExportRow,
            and_(
                ResultExportRow.pipeline_id == DeclaredResultsRow.pipeline_id,
                ResultExportRow.scope == DeclaredResultsRow.scope,
            ),
            isouter=True,
        )
        .where(DeclaredResultsRow.pipeline_id == pipeline_id)
    )
    lately = session.execute(
        select(ResultExportRow.group_id, func.min(ResultExportRow.exported_until))
        .where(ResultExportRow.pipeline_id == pipeline_id, ResultExportRow.ran_at > at - IN_USE)
        .group_by(ResultExportRow.group_id)
    )
    by_group: dict[int, int] = {}
    ends = [declared] if declared is not None else []
    for group_id, until in lately:
        if group_id is None:
            ends.append(until)
        else:
            by_group[group_id] = until
    return Held(min(ends, default=MAX_ID), by_group)


def list_unannounced(session: Session, *, at: datetime, limit: int) -> list[StoredExport]:
    """Return exports that should have been announced to Prefect by ``at``, oldest first."""
    statement = (
        select(ResultExportRow)
        .where(ResultExportRow.announce_at <= at)
        .order_by(ResultExportRow.announce_at)
        .limit(limit)
    )
    return [_export(row) for row in session.scalars(statement)]


def mark_announced(session: Session, exports: Sequence[StoredExport]) -> None:
    """Record that these exports were announced, unless they have had news since then."""
    for export in exports:
        session.execute(
            update(ResultExportRow)
            .where(
                ResultExportRow.pipeline_id == export.pipeline_id,
                ResultExportRow.scope == export.scope,
                ResultExportRow.exported_until == export.exported_until,
            )
            .values(announce_at=None)
            .execution_options(synchronize_session=False)
        )


def _export(row: ResultExportRow | Row[*tuple[Any, ...]]) -> StoredExport:
    pending = None
    if row.pending_from is not None and row.pending_until is not None:
        pending = Part(row.pending_from, row.pending_until)
    return StoredExport(
        row.pipeline_id,
        row.scope,
        row.destination,
        row.group_id,
        row.exported_until,
        row.files_until,
        pending,
        row.exported,
        row.announce_at,
    )
