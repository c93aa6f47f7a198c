"""Datasets of the Data Vault: create them, write versions of their rows, and read them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tasks_lib.domain.mapping.conversions import Column, columns_from_json, columns_to_json
from tasks_lib.domain.names import did_you_mean
from tasks_lib.errors import NotFoundError
from tasks_lib.store.bulk import insert_rows
from tasks_lib.store.copy_rows import Int4
from tasks_lib.store.dialect import upsert
from tasks_lib.store.tables.datasets import DatasetItemRow, DatasetRow, DatasetVersionRow
from tasks_lib.store.tables.queries import DatasetQueryRow
from tasks_lib.store.tables.runs import ImportRunRow

if TYPE_CHECKING:  # loading it takes time, and reading datasets does not need it
    import pyarrow as pa


class Dataset(NamedTuple):
    """A dataset: its rows are those of the versions from ``base_version`` on.

    ``key_columns`` identify a row of a dataset that is imported by key.
    """

    id: int
    organization_id: int
    name: str
    columns: tuple[Column, ...]
    version: int
    base_version: int
    row_count: int
    key_columns: tuple[str, ...] = ()


class Version(NamedTuple):
    """One import: its version, its source, and how many rows it added, changed and removed."""

    version: int
    source: str
    sha256: str
    imported_at: datetime
    row_count: int
    changed_count: int = 0
    removed_count: int = 0


def find_dataset(session: Session, organization_id: int, name: str) -> Dataset:
    """Return the dataset; raise NotFoundError with the nearest name."""
    datasets = {dataset.name: dataset for dataset in list_datasets(session, organization_id)}
    if name not in datasets:
        raise NotFoundError(f"there is no dataset {name!r}{did_you_mean(name, datasets)}")
    return datasets[name]


def list_datasets(session: Session, organization_id: int) -> list[Dataset]:
    """Return the organization's datasets by name."""
    rows = session.scalars(
        select(DatasetRow)
        .where(DatasetRow.organization_id == organization_id)
        .order_by(DatasetRow.name)
    )
    return [_dataset(row) for row in rows]


def list_names(session: Session) -> list[str]:
    """Return the names of the datasets of all organizations, in order."""
    return list(session.scalars(select(DatasetRow.name).distinct().order_by(DatasetRow.name)))


def lock_dataset(session: Session, organization_id: int, name: str) -> tuple[Dataset, bool]:
    """Return the dataset, created if needed and locked, and whether it is new."""
    new_id = session.scalar(
        upsert(session, DatasetRow, ["organization_id", "name"])
        .values(
            organization_id=organization_id,
            name=name,
            columns=[],
            version=0,
            base_version=1,
            row_count=0,
        )
        .returning(DatasetRow.id)
    )
    row = session.scalars(
        select(DatasetRow)
        .where(DatasetRow.organization_id == organization_id, DatasetRow.name == name)
        .with_for_update(key_share=True)
    ).one()
    return _dataset(row), new_id is not None


def find_import(session: Session, dataset: Dataset, sha256: str) -> Version | None:
    """Return the import of this content whose rows the dataset still has, or None.

    None for a dataset with a key: rows may have changed since, so that old content is news.
    """
    if dataset.key_columns:
        return None
    versions = list_versions(session, dataset)
    return next((version for version in versions if version.sha256 == sha256), None)


def list_versions(session: Session, dataset: Dataset) -> list[Version]:
    """Return the imports that the dataset's rows come from, oldest first."""
    rows = session.scalars(
        select(DatasetVersionRow)
        .where(
            DatasetVersionRow.dataset_id == dataset.id,
            DatasetVersionRow.version >= dataset.base_version,
        )
        .order_by(DatasetVersionRow.version)
    )
    return [Version(*(getattr(row, name) for name in Version._fields)) for row in rows]


def add_version(
    session: Session, dataset: Dataset, *, source: str, sha256: str, at: datetime
) -> int:
    """Insert the next version of the locked dataset; return its number."""
    version = dataset.version + 1
    session.add(
        DatasetVersionRow(
            dataset_id=dataset.id,
            version=version,
            source=source,
            sha256=sha256,
            imported_at=at,
            row_count=0,
        )
    )
    session.flush()
    return version


def insert_dataset_rows(
    session: Session,
    dataset_id: int,
    version: int,
    batches: "Iterable[Sequence[pa.Array]]",
) -> int:
    """Insert rows, given as arrays of their numbers and JSON objects; return how many."""
    constants = {"dataset_id": dataset_id, "version": Int4(version)}
    return insert_rows(session, "dataset_rows", constants, ("row", "value"), batches)


def complete_version(
    session: Session,
    dataset: Dataset,
    version: int,
    *,
    columns: Sequence[Column],
    row_count: int,
    changed_count: int = 0,
    removed_count: int = 0,
    replaces: bool = False,
) -> None:
    """Make the version the dataset's latest; with ``replaces``, its only one, without a key."""
    added = session.get_one(DatasetVersionRow, (dataset.id, version))
    added.row_count = row_count
    added.changed_count = changed_count
    added.removed_count = removed_count
    row = session.get_one(DatasetRow, dataset.id)
    row.columns = columns_to_json(columns)
    row.version = version
    row.row_count = row_count + (0 if replaces else dataset.row_count - removed_count)
    if replaces:
        row.base_version = version
        if row.key_columns:
            row.key_columns = None
            rows = update(DatasetItemRow).where(DatasetItemRow.dataset_id == dataset.id)
            session.execute(rows.values(key=None))
    session.flush()


def save_key(session: Session, dataset: Dataset, key_columns: Sequence[str]) -> None:
    """Save the columns that identify the dataset's rows."""
    session.get_one(DatasetRow, dataset.id).key_columns = list(key_columns)
    session.flush()


def drop_version(session: Session, dataset: Dataset, version: int) -> None:
    """Delete the version that was added last, because it brought nothing."""
    session.delete(session.get_one(DatasetVersionRow, (dataset.id, version)))
    session.flush()


def save_import_report(
    session: Session, run_id: str, report: Mapping[str, Any], *, at: datetime
) -> None:
    """Save the report of a flow run's import."""
    session.merge(ImportRunRow(id=run_id, finished_at=at, report=dict(report)))
    session.flush()


def find_import_report(session: Session, run_id: str) -> Mapping[str, Any] | None:
    """Return the report of a flow run's import, or None."""
    row = session.get(ImportRunRow, run_id)
    return row.report if row is not None else None


def _dataset(row: DatasetRow) -> Dataset:
    return Dataset(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        columns=columns_from_json(row.columns),
        version=row.version,
        base_version=row.base_version,
        row_count=row.row_count,
        key_columns=tuple(row.key_columns or ()),
    )


class Query(NamedTuple):
    """The query of a dataset: a URL or ``secret:<block>``, a SELECT, and the key columns."""

    connection: str
    query: str
    key_columns: tuple[str, ...]


def find_query(session: Session, dataset_id: int) -> Query | None:
    """Return the dataset's query; None if its rows come from imports."""
    row = session.get(DatasetQueryRow, dataset_id)
    return Query(row.connection, row.query, tuple(row.key_columns)) if row is not None else None


def save_query(session: Session, dataset: Dataset, query: Query, columns: Sequence[Column]) -> None:
    """Save the dataset's query; ``columns`` are saved too if it has no rows yet."""
    session.merge(
        DatasetQueryRow(
            dataset_id=dataset.id,
            connection=query.connection,
            query=query.query,
            key_columns=list(query.key_columns),
        )
    )
    if not dataset.row_count:
        row = session.get_one(DatasetRow, dataset.id)
        row.columns = columns_to_json(columns)
    session.flush()
