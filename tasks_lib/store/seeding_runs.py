"""The reports of seeding runs, found by the run's id."""

from datetime import datetime

from sqlalchemy.orm import Session

from tasks_lib.domain.report import Report
from tasks_lib.store.tables import SeedingRunRow


def find_report(session: Session, run_id: str) -> Report | None:
    """Return the report that the run left, or None."""
    row = session.get(SeedingRunRow, run_id)
    return Report.model_validate(row.report) if row is not None else None


def save_report(session: Session, run_id: str, report: Report, *, at: datetime) -> None:
    """Keep the run's report; a later attempt of the same run replaces it."""
    session.merge(
        SeedingRunRow(
            id=run_id,
            pipeline_id=report.pipeline_id,
            group_id=report.group_id,
            finished_at=at,
            report=report.model_dump(mode="json"),
        )
    )
    session.flush()
