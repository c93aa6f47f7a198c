"""Read the rows of datasets: those of a version, those with certain keys, those that changed."""

from collections.abc import Collection, Generator
from typing import Final, NamedTuple

from sqlalchemy import Text, cast, select, text
from sqlalchemy.orm import Session

from tasks_lib.store.bulk import stream_rows
from tasks_lib.store.datasets.datasets import Dataset
from tasks_lib.store.tables.datasets import DatasetItemRow


def find_last_row(session: Session, dataset: Dataset) -> int:
    """Return the highest number of the dataset's rows, 0 without any."""
    return session.scalar(_LAST_ROW, {"id": dataset.id, "base": dataset.base_version}) or 0


def stream_dataset_rows(
    session: Session,
    dataset: Dataset,
    *,
    unless_in_stream: int | None = None,
    unless_removed_from: int | None = None,
    limit: int = -1,
) -> Generator[list[tuple[int, int, str]]]:
    """Yield the id, number and JSON text of the dataset's rows, in order, in batches.

    The rows are those of ``dataset.version``, also if a later import has changed them. Leaves out
    rows that the one stream has let in, or that an undo has removed from the other.
    """
    query = _OF_VERSION.format(dataset.id, dataset.base_version, dataset.version)
    if unless_in_stream is not None:
        query += (
            " AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.origin_id = r.id"  # noqa: S608
            f" AND tasks.stream_id = {unless_in_stream:d})"
        )
    left_out = unless_removed_from if unless_in_stream is None else unless_in_stream
    if left_out is not None:
        query += (
            " AND NOT EXISTS (SELECT 1 FROM removed_rows x WHERE x.origin_id = r.id"  # noqa: S608
            f" AND x.stream_id = {left_out:d})"
        )
    query += " ORDER BY id"
    return stream_rows(session, query if limit < 0 else f"{query} LIMIT {limit:d}")


def count_changed_rows(session: Session, dataset: Dataset, stream_id: int) -> int:
    """Return how many rows have another value than when the stream let them in."""
    parameters = {"id": dataset.id, "version": dataset.version, "stream_id": stream_id}
    return session.scalar(_CHANGED, parameters) or 0


class KnownRow(NamedTuple):
    """A row of a dataset; with ``is_removed``, the latest version no longer has it."""

    id: int
    value: str
    is_removed: bool


def find_known_rows(
    session: Session, dataset_id: int, keys: Collection[str]
) -> dict[str, KnownRow]:
    """Return the dataset's rows with these keys, by key."""
    rows = session.execute(
        select(
            DatasetItemRow.key,
            DatasetItemRow.id,
            cast(DatasetItemRow.value, Text),
            DatasetItemRow.removed_in.is_not(None),
        ).where(DatasetItemRow.dataset_id == dataset_id, DatasetItemRow.key.in_(keys))
    )
    return {str(key): KnownRow(row_id, value, gone) for key, row_id, value, gone in rows}


_EARLIER: Final = (
    "SELECT value FROM dataset_row_versions v WHERE v.dataset_id = r.dataset_id"
    " AND v.row_id = r.id AND v.version <= {2:d} AND v.until_version > {2:d}"
)
_OF_VERSION: Final = (
    f"SELECT id, row, CASE WHEN version <= {{2:d}} THEN value ELSE ({_EARLIER}) END"  # noqa: S608
    " FROM dataset_rows r WHERE dataset_id = {0:d} AND version >= {1:d} AND ("
    " version <= {2:d} AND (removed_in IS NULL OR removed_in > {2:d})"
    f" OR version > {{2:d}} AND EXISTS ({_EARLIER}))"
)
_LAST_ROW: Final = text(
    """
    SELECT max(last) FROM (
        SELECT (
            SELECT max(r.row) FROM dataset_rows r
            WHERE r.dataset_id = v.dataset_id AND r.version = v.version
        ) AS last
        FROM dataset_versions v WHERE v.dataset_id = :id AND v.version >= :base
    ) AS by_version
    """
)
_CHANGED: Final = text(
    """
    SELECT count(*) FROM dataset_row_versions v
    JOIN dataset_rows r ON r.id = v.row_id
    JOIN tasks t ON t.stream_id = :stream_id AND t.origin_id = v.row_id
    JOIN task_groups g ON g.id = t.group_id
    WHERE v.dataset_id = :id AND v.version <= g.source_version
        AND v.until_version > g.source_version
        AND r.removed_in IS NULL AND r.version <= :version
        AND CAST(v.value AS text) <> CAST(r.value AS text)
    """
)
