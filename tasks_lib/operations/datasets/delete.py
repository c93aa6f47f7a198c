"""Delete a dataset from which no pipeline that is in use was seeded."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.audit import Action
from tasks_lib.errors import ConflictError
from tasks_lib.store import audit, catalogue
from tasks_lib.store.datasets import datasets
from tasks_lib.store.datasets.datasets import Dataset
from tasks_lib.store.engine import Store
from tasks_lib.store.removal import deletion


class DatasetDeletion(NamedTuple):
    """The rows and versions that go with a dataset."""

    dataset: str
    rows: int
    versions: int


def describe_dataset_deletion(store: Store, organization: str, name: str) -> DatasetDeletion:
    """Return what deleting the dataset would delete.

    Raises NotFoundError, and ConflictError if the dataset cannot be deleted.
    """
    with store.read() as session:
        return _describe(session, _find(session, organization, name))


def delete_dataset(store: Store, organization: str, name: str, *, at: datetime) -> DatasetDeletion:
    """Delete a dataset with its rows; tasks that were made from them stay.

    Raises NotFoundError, and ConflictError if a pipeline that is not archived was seeded from it.
    """
    with store.write() as session:
        dataset = _find(session, organization, name)
        deletion.lock_dataset(session, dataset.id)
        deleted = _describe(session, dataset)
        deletion.delete_dataset(session, dataset.id)
        audit.record(
            session,
            dataset.organization_id,
            Action.DATASET_DELETED,
            name,
            by=store.actor,
            at=at,
            details={"rows": deleted.rows, "versions": deleted.versions},
        )
        return deleted


def _find(session: Session, organization: str, name: str) -> Dataset:
    organization_id = catalogue.find_organization(session, organization)
    return datasets.find_dataset(session, organization_id, name)


def _describe(session: Session, dataset: Dataset) -> DatasetDeletion:
    fed = deletion.list_pipelines_fed(session, dataset.id)
    if fed:
        paths = ", ".join(catalogue.get_pipeline(session, number).path for number in fed)
        raise ConflictError(
            f"pipelines were seeded from dataset {dataset.name!r} ({paths}); archive them first",
            code="dataset_in_use",
        )
    versions = len(datasets.list_versions(session, dataset))
    return DatasetDeletion(dataset.name, dataset.row_count, versions)
