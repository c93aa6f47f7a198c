"""The exports of results that catalogues declare."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.store.tables.results import DeclaredResultsRow


class DeclaredResults(NamedTuple):
    """An export that a catalogue declares; ``scope`` is that of its ``StoredExport``."""

    name: str
    url: str
    format: ResultFormat
    by_day: bool
    with_source: bool
    with_files: bool
    scope: str


def list_declared(session: Session, pipeline_id: int) -> list[DeclaredResults]:
    """Return the declared exports of a pipeline, by name."""
    statement = (
        select(DeclaredResultsRow)
        .where(DeclaredResultsRow.pipeline_id == pipeline_id)
        .order_by(DeclaredResultsRow.name)
    )
    return [
        DeclaredResults(
            row.name,
            row.url,
            ResultFormat(row.format),
            row.by_day,
            row.with_source,
            row.with_files,
            row.scope,
        )
        for row in session.scalars(statement)
    ]


def list_pipelines(session: Session) -> list[int]:
    """Return the ids of the pipelines with declared exports."""
    statement = select(DeclaredResultsRow.pipeline_id).distinct()
    return sorted(session.scalars(statement))


def replace_declared(
    session: Session, pipeline_id: int, declared: Sequence[DeclaredResults]
) -> None:
    """Replace the declared exports of a pipeline."""
    session.execute(
        delete(DeclaredResultsRow).where(DeclaredResultsRow.pipeline_id == pipeline_id),
        execution_options={"synchronize_session": False},
    )
    session.add_all(
        DeclaredResultsRow(
            pipeline_id=pipeline_id, **entry._asdict() | {"format": entry.format.value}
        )
        for entry in declared
    )
    session.flush()
