"""Datasets that are queries of other databases: what they are, and their rows by key."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from tasks_lib.domain.conversions import Column
from tasks_lib.store.bulk import insert_rows
from tasks_lib.store.datasets import Dataset
from tasks_lib.store.tables import DatasetItemRow, DatasetQueryRow, DatasetRow


class Query(NamedTuple):
    """Where a dataset's rows are read from: a URL or ``secret:<block>``, a SELECT, and a key."""

    connection: str
    query: str
    key_columns: tuple[str, ...]


def find_query(session: Session, dataset_id: int) -> Query | None:
    """Return the dataset's query; None where its rows come from imports."""
    row = session.get(DatasetQueryRow, dataset_id)
    return Query(row.connection, row.query, tuple(row.key_columns)) if row is not None else None


def save_query(session: Session, dataset: Dataset, query: Query, columns: Sequence[Column]) -> None:
    """Make the query the dataset's, whose columns are those of its rows unless it has any."""
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
        row.columns = [{"name": column.name, "type": column.type.value} for column in columns]
    session.flush()


def known_rows(session: Session, dataset_id: int, keys: Collection[str]) -> dict[str, str]:
    """Return the JSON text of those rows that the dataset has, by their key."""
    found = session.execute(
        select(DatasetItemRow.key, cast(DatasetItemRow.value, Text)).where(
            DatasetItemRow.dataset_id == dataset_id, DatasetItemRow.key.in_(keys)
        )
    )
    return {str(key): value for key, value in found}


def insert_keyed_rows(
    session: Session, dataset_id: int, version: int, batches: Iterable[Sequence[pa.Array]]
) -> int:
    """Write rows, as arrays of their numbers, JSON objects and keys; return how many."""
    constants = {"dataset_id": dataset_id, "version": version}
    return insert_rows(session, "dataset_rows", constants, ("row", "value", "key"), batches)
