"""Datasets of the Data Vault: make them, write versions of their rows, read them."""

from collections.abc import Generator, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tasks_lib.domain.conversions import Column
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.names import did_you_mean
from tasks_lib.errors import NotFoundError
from tasks_lib.store.bulk import insert_rows, stream_rows
from tasks_lib.store.tables import DatasetRow, DatasetVersionRow, OrganizationRow


class Dataset(NamedTuple):
    """A dataset: its rows are those of the versions from ``base_version`` on."""

    id: int
    organization_id: int
    name: str
    columns: tuple[Column, ...]
    version: int
    base_version: int
    row_count: int


class Version(NamedTuple):
    """One import: the version that it made, where it came from, and how many rows it brought."""

    version: int
    source: str
    sha256: str
    imported_at: datetime
    row_count: int


def find_organization(session: Session, name: str) -> int:
    """Return the organization's id; raise NotFoundError with the nearest name."""
    names = {row.name: row.id for row in session.scalars(select(OrganizationRow))}
    if name not in names:
        raise NotFoundError(f"there is no organization {name!r}{did_you_mean(name, names)}")
    return names[name]


def find_dataset(session: Session, organization_id: int, name: str) -> Dataset:
    """Return the dataset; raise NotFoundError with the nearest name."""
    rows = list_datasets(session, organization_id)
    found = next((dataset for dataset in rows if dataset.name == name), None)
    if found is None:
        hint = did_you_mean(name, [dataset.name for dataset in rows])
        raise NotFoundError(f"there is no dataset {name!r}{hint}")
    return found


def list_datasets(session: Session, organization_id: int) -> list[Dataset]:
    """Return the organization's datasets by name."""
    rows = session.scalars(
        select(DatasetRow)
        .where(DatasetRow.organization_id == organization_id)
        .order_by(DatasetRow.name)
    )
    return [_dataset(row) for row in rows]


def lock_dataset(session: Session, organization_id: int, name: str) -> tuple[Dataset, bool]:
    """Return the dataset, made if it is new, and whether it is; nobody else writes it meanwhile."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    made = session.scalar(
        insert(DatasetRow)
        .values(
            organization_id=organization_id,
            name=name,
            columns=[],
            version=0,
            base_version=1,
            row_count=0,
        )
        .on_conflict_do_nothing(index_elements=["organization_id", "name"])
        .returning(DatasetRow.id)
    )
    row = session.scalars(
        select(DatasetRow)
        .where(DatasetRow.organization_id == organization_id, DatasetRow.name == name)
        .with_for_update()
    ).one()
    return _dataset(row), made is not None


def find_import(session: Session, dataset: Dataset, sha256: str) -> Version | None:
    """Return the import of this content that the dataset still holds, or None."""
    return next(
        (found for found in list_versions(session, dataset) if found.sha256 == sha256), None
    )


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
    return [
        Version(row.version, row.source, row.sha256, row.imported_at, row.row_count) for row in rows
    ]


def add_version(
    session: Session, dataset: Dataset, *, source: str, sha256: str, at: datetime
) -> int:
    """Begin an import into the locked dataset; return its version."""
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
    batches: Iterable[Sequence[pa.Array]],
) -> int:
    """Write rows, as arrays of their numbers and JSON objects; return how many."""
    constants = {"dataset_id": dataset_id, "version": version}
    return insert_rows(session, "dataset_rows", constants, ("row", "value"), batches)


def complete_version(
    session: Session,
    dataset: Dataset,
    version: int,
    *,
    columns: Sequence[Column],
    row_count: int,
    replaces: bool,
) -> None:
    """Make the version the dataset's last one; with ``replaces``, the only one."""
    session.get_one(DatasetVersionRow, (dataset.id, version)).row_count = row_count
    row = session.get_one(DatasetRow, dataset.id)
    row.columns = [{"name": column.name, "type": column.type.value} for column in columns]
    row.version = version
    row.row_count = row_count + (0 if replaces else dataset.row_count)
    if replaces:
        row.base_version = version
    session.flush()


def dataset_rows(
    session: Session, dataset: Dataset, *, unless_in_stream: int | None = None, limit: int = -1
) -> Generator[list[tuple[int, int, str]]]:
    """Yield id, number and JSON text of the dataset's rows, in order, in batches.

    Leaves out what has gone into the stream.
    """
    query = (
        f"SELECT id, row, value FROM dataset_rows WHERE dataset_id = {dataset.id:d}"  # noqa: S608
        f" AND version BETWEEN {dataset.base_version:d} AND {dataset.version:d}"
    )
    if unless_in_stream is not None:
        query += (
            " AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.origin_id = dataset_rows.id"  # noqa: S608
            f" AND tasks.stream_id = {unless_in_stream:d})"
        )
    query += " ORDER BY id"
    return stream_rows(session, query if limit < 0 else f"{query} LIMIT {limit:d}")


def _dataset(row: DatasetRow) -> Dataset:
    return Dataset(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        columns=tuple(Column(entry["name"], FieldType(entry["type"])) for entry in row.columns),
        version=row.version,
        base_version=row.base_version,
        row_count=row.row_count,
    )
