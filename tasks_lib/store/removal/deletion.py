"""Delete a pipeline or a dataset, with everything that belongs to it."""

from typing import Final, NamedTuple
from uuid import uuid4

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import PipelineStatus, UploadStatus
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.removal import task_removal
from tasks_lib.store.removal.task_removal import Rows, remove_tasks
from tasks_lib.store.tables.access import UploadRow
from tasks_lib.store.tables.announcements import AnnouncementRow
from tasks_lib.store.tables.catalogue import FieldRow, PipelineRow
from tasks_lib.store.tables.chains import ChainRow
from tasks_lib.store.tables.counts import GroupCountRow, TaskCountRow, TaskQueueRow
from tasks_lib.store.tables.datasets import (
    DatasetItemRow,
    DatasetRow,
    DatasetRowVersionRow,
    DatasetVersionRow,
)
from tasks_lib.store.tables.files import GroupFileRow
from tasks_lib.store.tables.groups import TaskGroupRow
from tasks_lib.store.tables.infinite import InfiniteSeedingRow, InfiniteSourceRow
from tasks_lib.store.tables.mappings import SavedMappingRow
from tasks_lib.store.tables.queries import DatasetQueryRow
from tasks_lib.store.tables.removal import RemovedRow, RetiredKeyRow
from tasks_lib.store.tables.results import DeclaredResultsRow, ResultExportRow
from tasks_lib.store.tables.retention import RetentionRow
from tasks_lib.store.tables.runs import SeedingRunRow
from tasks_lib.store.tables.streams import StreamRow

_FIRST_TASKS: Final = "tasks.pipeline_id = :pipeline_id ORDER BY status, id LIMIT :limit"
_LOCK: Final = text(
    f"SELECT count(*) FROM (SELECT id FROM tasks WHERE {_FIRST_TASKS} FOR UPDATE) AS locked"  # noqa: S608
)


class PipelineContent(NamedTuple):
    """The parts of a pipeline, apart from its tasks."""

    groups: int
    mappings: int


def count_content(session: Session, pipeline_id: int) -> PipelineContent:
    """Return how many groups and versions of mappings a pipeline has."""
    groups, mappings = (
        session.scalar(select(func.count()).where(table.pipeline_id == pipeline_id)) or 0
        for table in (TaskGroupRow, SavedMappingRow)
    )
    return PipelineContent(groups, mappings)


def list_chains_of(session: Session, pipeline_id: int) -> list[int]:
    """Return the ids of the chains that lead from or to a pipeline."""
    statement = select(ChainRow.id).where(
        or_(ChainRow.source_pipeline_id == pipeline_id, ChainRow.target_pipeline_id == pipeline_id)
    )
    return list(session.scalars(statement.order_by(ChainRow.id)))


def is_uploading(session: Session, pipeline_id: int) -> bool:
    """Return True if an upload into the pipeline is being processed."""
    statement = select(UploadRow.id).where(
        UploadRow.pipeline_id == pipeline_id, UploadRow.status == UploadStatus.PROCESSING.value
    )
    return session.scalar(statement.limit(1)) is not None


def close_pipeline(session: Session, pipeline_id: int) -> None:
    """Archive the pipeline, so that nothing is created in it any more, and end infinite seeding."""
    session.execute(
        update(PipelineRow)
        .where(PipelineRow.id == pipeline_id)
        .values(status=PipelineStatus.ARCHIVED)
    )
    for table in (InfiniteSourceRow, InfiniteSeedingRow):
        session.execute(delete(table).where(table.pipeline_id == pipeline_id))


def remove_first_tasks(session: Session, pipeline_id: int) -> int:
    """Remove some thousands of the pipeline's tasks, touched ones too; return their number.

    The caller has locked the pipeline.
    """
    parameters = {"pipeline_id": pipeline_id, "limit": task_removal.TASKS_AT_ONCE}
    if is_postgresql(session):
        session.execute(_LOCK, parameters)
    return remove_tasks(session, pipeline_id, _FIRST_TASKS, parameters, Rows.FORGET)


def list_stored_objects(session: Session, pipeline_id: int) -> list[str]:
    """Return the URIs of the pipeline's uploads and files of rejected rows in the storage."""
    uploads = session.scalars(
        select(UploadRow.uri).where(
            UploadRow.pipeline_id == pipeline_id, UploadRow.removed_at.is_(None)
        )
    ).all()
    reports = session.scalars(
        select(SeedingRunRow.report).where(SeedingRunRow.pipeline_id == pipeline_id)
    )
    rejects = [uri for report in reports if (uri := report.get("rejects_uri")) is not None]
    return [*uploads, *rejects]


def delete_pipeline(session: Session, pipeline_id: int) -> None:
    """Delete a pipeline that has no tasks and no chains."""
    close_pipeline(session, pipeline_id)
    groups = select(TaskGroupRow.id).where(TaskGroupRow.pipeline_id == pipeline_id)
    session.execute(delete(RemovedRow).where(RemovedRow.group_id.in_(groups)))
    session.execute(delete(GroupFileRow).where(GroupFileRow.group_id.in_(groups)))
    session.execute(delete(GroupCountRow).where(GroupCountRow.group_id.in_(groups)))
    for table in (
        ResultExportRow, SeedingRunRow, UploadRow, TaskGroupRow, StreamRow, SavedMappingRow,
    ):  # fmt: skip
        session.execute(delete(table).where(table.pipeline_id == pipeline_id))
    for counted in (
        TaskCountRow, TaskQueueRow, AnnouncementRow, RetentionRow, RetiredKeyRow, FieldRow,
        DeclaredResultsRow,
    ):  # fmt: skip
        session.execute(delete(counted).where(counted.pipeline_id == pipeline_id))
    session.execute(delete(PipelineRow).where(PipelineRow.id == pipeline_id))
    _close_streams(session, f"pipeline:{pipeline_id}")


def list_pipelines_fed(session: Session, dataset_id: int) -> list[int]:
    """Return the ids of the pipelines that are not archived and have tasks from the dataset."""
    statement = (
        select(StreamRow.pipeline_id)
        .join(PipelineRow, PipelineRow.id == StreamRow.pipeline_id)
        .where(
            StreamRow.source == f"dataset:{dataset_id}",
            PipelineRow.status != PipelineStatus.ARCHIVED.value,
        )
        .distinct()
    )
    return list(session.scalars(statement.order_by(StreamRow.pipeline_id)))


def lock_dataset(session: Session, dataset_id: int) -> None:
    """Let nobody import into the dataset until the transaction ends."""
    session.execute(select(DatasetRow.id).where(DatasetRow.id == dataset_id).with_for_update())


def delete_dataset(session: Session, dataset_id: int) -> None:
    """Delete a dataset with its rows, versions and query."""
    for table in (DatasetRowVersionRow, DatasetItemRow, DatasetVersionRow, DatasetQueryRow):
        session.execute(delete(table).where(table.dataset_id == dataset_id))
    session.execute(delete(DatasetRow).where(DatasetRow.id == dataset_id))
    _close_streams(session, f"dataset:{dataset_id}")


def _close_streams(session: Session, source: str) -> None:
    """Rename the streams of a deleted source: SQLite may give its number to another one."""
    session.execute(
        update(StreamRow)
        .where(StreamRow.source == source)
        .values(source=f"deleted {uuid4()} {source}")
    )
