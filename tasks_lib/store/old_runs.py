"""Remove the reports of runs that ended long ago, so that the store does not grow with each run.

A report makes a retry of its run return it instead of seeding again. It stays while its flow run
waits for groups, since the body of the run runs again, and with its upload.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from tasks_lib.store.tables.access import UploadRow
from tasks_lib.store.tables.runs import ImportRunRow, SeedingRunRow
from tasks_lib.store.tables.waiting import GroupWaitRow


class OldRun(NamedTuple):
    """A run that ended long ago, and the file of its rejected rows, if it has one."""

    id: str
    rejects_uri: str | None


def lock_seedings(session: Session, *, before: datetime, limit: int) -> list[OldRun]:
    """Return the oldest seedings that ended before ``before`` and whose reports nobody needs."""
    statement = (
        select(SeedingRunRow.id, SeedingRunRow.report)
        .where(
            SeedingRunRow.finished_at < before,
            ~exists().where(UploadRow.id == SeedingRunRow.id),
            ~exists().where(SeedingRunRow.id.startswith(GroupWaitRow.flow_run_id)),
        )
        .order_by(SeedingRunRow.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [
        OldRun(run_id, report.get("rejects_uri")) for run_id, report in session.execute(statement)
    ]


def remove_seedings(session: Session, run_ids: Sequence[str]) -> None:
    """Remove the reports of these seedings."""
    session.execute(delete(SeedingRunRow).where(SeedingRunRow.id.in_(run_ids)))


def lock_imports(session: Session, *, before: datetime, limit: int) -> list[OldRun]:
    """Return the oldest imports that ended before ``before``."""
    statement = (
        select(ImportRunRow.id, ImportRunRow.report)
        .where(ImportRunRow.finished_at < before)
        .order_by(ImportRunRow.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [
        OldRun(run_id, report.get("rejects_uri")) for run_id, report in session.execute(statement)
    ]


def remove_imports(session: Session, run_ids: Sequence[str]) -> None:
    """Remove the reports of these imports."""
    session.execute(delete(ImportRunRow).where(ImportRunRow.id.in_(run_ids)))
