"""Upsert the rows of a source into a dataset by key: the common part of imports and refreshes."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
from sqlalchemy.orm import Session

from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.names import counted
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem, SourceProblemError, UsageError
from tasks_lib.intake.datasets.row_keys import describe_row_key, read_key, same_row
from tasks_lib.store.datasets import datasets
from tasks_lib.store.datasets.dataset_upserts import (
    ArrivingRows,
    Repeated,
    Upserted,
    list_rows_by_id,
)
from tasks_lib.store.datasets.datasets import Dataset


class CompleteSource(NamedTuple):
    """A source that has all of its rows: those that it lacks are removed from the dataset.

    More than half of them only if it ``allows_shrink``.
    """

    allows_shrink: bool


def write_version(
    session: Session,
    dataset: Dataset,
    arriving: ArrivingRows,
    *,
    source: str,
    sha256: str,
    columns: Sequence[Column],
    full: CompleteSource | None,
    at: datetime,
) -> tuple[int | None, Upserted]:
    """Write the collected rows as the next version of the locked dataset, if they change it.

    Returns the version and the numbers of rows. Raises SourceProblemError if a complete source
    lacks too many rows.
    """
    if full is not None:
        check_missing(dataset, arriving.count_missing(dataset), full)
    version = datasets.add_version(session, dataset, source=source, sha256=sha256, at=at)
    upserted = arriving.upsert(dataset, version, same_row, removes_missing=full is not None)
    if not any(upserted):
        datasets.drop_version(session, dataset, version)
        return None, upserted
    datasets.complete_version(
        session,
        dataset,
        version,
        columns=columns,
        row_count=upserted.added,
        changed_count=upserted.changed,
        removed_count=upserted.removed,
    )
    return version, upserted


def check_missing(dataset: Dataset, missing: int, full: CompleteSource) -> None:
    """Raise SourceProblemError if a complete source lacks too many rows of the dataset."""
    if 2 * missing > dataset.row_count and not full.allows_shrink:
        message = (
            f"the source lacks {missing:,} of the {counted(dataset.row_count, 'row')} of dataset "
            f"{dataset.name!r}, more than half, so nothing was changed; allow_shrink removes them"
        )
        raise SourceProblemError(Problem("too_many_missing", message))


def declare_key(session: Session, dataset: Dataset, key_columns: tuple[str, ...]) -> None:
    """Make the columns the key of the locked dataset, and give its rows their keys.

    Raises UsageError if it has another key, if a row has no key, or if two have the same.
    """
    if dataset.key_columns:
        if dataset.key_columns != key_columns:
            named = ", ".join(dataset.key_columns)
            raise UsageError(
                f"dataset {dataset.name!r} has the key {named}, not {', '.join(key_columns)}; "
                f"give key {named}, or import into another dataset"
            )
        return
    if dataset.row_count:
        _set_keys(session, dataset, key_columns)
    datasets.save_key(session, dataset, key_columns)


def _set_keys(session: Session, dataset: Dataset, key_columns: Sequence[str]) -> None:
    arriving, after = ArrivingRows(session), 0
    while rows := list_rows_by_id(session, dataset, after):
        after = rows[-1][0]
        arriving.add([_with_keys(dataset, rows, key_columns)])
    arriving.prepare()
    count, repeated = arriving.take_repeated(1)
    if count:
        raise UsageError(
            f"dataset {dataset.name!r} cannot have the key {', '.join(key_columns)}: two of its "
            f"rows have {describe_row_key(repeated[0].value, key_columns)}; choose other columns, "
            "or replace the rows"
        )
    arriving.set_keys()


def _with_keys(
    dataset: Dataset, rows: Sequence[tuple[int, str]], key_columns: Sequence[str]
) -> list[pa.Array]:
    try:
        keys = [read_key(value, key_columns) for _, value in rows]
    except ValueProblemError as problem:
        raise UsageError(
            f"dataset {dataset.name!r} cannot have the key {', '.join(key_columns)}: in one of its "
            f"rows {problem}; choose other columns, or replace the rows"
        ) from None
    ids, values = zip(*rows, strict=True)
    return [pa.array(ids, pa.int64()), pa.array(values, pa.string()), pa.array(keys, pa.string())]


def explain_repeated(row: Repeated, key_columns: Sequence[str]) -> Problem:
    """Return the problem of a row whose key an earlier row of its source has."""
    known = describe_row_key(row.value, key_columns)
    field = key_columns[0] if len(key_columns) == 1 else None
    message = f"has the same key as row {row.first:,}: {known}"
    return Problem("duplicate_key", message, row.row, field)
