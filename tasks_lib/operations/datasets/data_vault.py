"""Read the Data Vault: an organization's datasets, and its pipelines' tasks as datasets."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.plans import columns_of
from tasks_lib.domain.rows.json_rows import json_text, task_row_parser
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.store import catalogue
from tasks_lib.store.datasets import datasets
from tasks_lib.store.datasets.dataset_rows import stream_dataset_rows
from tasks_lib.store.datasets.datasets import Dataset, Query, Version, find_query
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.rows import count_rows, stream_task_rows


class VaultEntry(NamedTuple):
    """A dataset: imported, a query, or the tasks of a pipeline as ``project/pipeline``."""

    name: str
    source: str
    columns: tuple[Column, ...]
    row_count: int
    versions: tuple[Version, ...] = ()
    rows: tuple[str, ...] = ()
    query: Query | None = None
    key: tuple[str, ...] = ()


def list_datasets(store: Store, organization: str) -> list[VaultEntry]:
    """Return the organization's datasets by name, then its pipelines; raise NotFoundError."""
    with store.read() as session:
        organization_id = catalogue.find_organization(session, organization)
        entries = [
            _of_dataset(session, dataset)
            for dataset in datasets.list_datasets(session, organization_id)
        ]
        paths = catalogue.list_paths(session)
        own_paths = sorted(path for path in paths if path.startswith(f"{organization}/"))
        return entries + [_of_pipeline(session, path) for path in own_paths]


def show_dataset(
    store: Store, organization: str, name: str, *, rows: int, version: int | None = None
) -> VaultEntry:
    """Return a dataset with its first ``rows`` rows; raise NotFoundError.

    With ``version``, the rows are those that the dataset had after that import.
    """
    if rows < 0:
        raise UsageError(f"the number of rows is {rows}; it must be at least 0")
    entry = _find(store, organization, name)
    lines = export_dataset(store, organization, name, limit=rows, version=version)
    texts = (line.rstrip("\n") for line in lines)
    return entry._replace(rows=tuple(texts))


def export_dataset(
    store: Store, organization: str, name: str, *, limit: int = -1, version: int | None = None
) -> Iterator[str]:
    """Return a dataset's rows as lines of JSON, in order, as stored; raise NotFoundError.

    With ``version``, the rows are those that the dataset had after that import.
    """
    with store.read() as session:
        if "/" in name:
            if version is not None:
                raise UsageError(f"{name} is a pipeline, and pipelines have no versions")
            pipeline = catalogue.find_pipeline(session, f"{organization}/{name}")
            return _lines_of_tasks(store, pipeline, limit)
        organization_id = catalogue.find_organization(session, organization)
        dataset = datasets.find_dataset(session, organization_id, name)
        if version is not None:
            dataset = _at_version(dataset, version)
        return _lines_of_rows(store, dataset, limit)


def _at_version(dataset: Dataset, version: int) -> Dataset:
    if not dataset.base_version <= version <= dataset.version:
        known = f"it has the versions {dataset.base_version} to {dataset.version}"
        if not dataset.version:
            known = "it has no versions yet"
        raise NotFoundError(f"dataset {dataset.name!r} has no rows of version {version}; {known}")
    return dataset._replace(version=version)


def _lines_of_tasks(store: Store, pipeline: Pipeline, limit: int) -> Iterator[str]:
    parse = task_row_parser([field.name for field in pipeline.fields])
    with store.read() as session:
        for batch in stream_task_rows(session, pipeline.id, limit=limit):
            yield from (json_text(parse(text)) + "\n" for _, _, text in batch)


def _lines_of_rows(store: Store, dataset: Dataset, limit: int) -> Iterator[str]:
    with store.read() as session:
        for batch in stream_dataset_rows(session, dataset, limit=limit):
            yield from (f"{text}\n" for _, _, text in batch)


def _find(store: Store, organization: str, name: str) -> VaultEntry:
    with store.read() as session:
        if "/" in name:
            return _of_pipeline(session, f"{organization}/{name}")
        organization_id = catalogue.find_organization(session, organization)
        return _of_dataset(session, datasets.find_dataset(session, organization_id, name))


def _of_dataset(session: Session, dataset: Dataset) -> VaultEntry:
    query = find_query(session, dataset.id)
    return VaultEntry(
        name=dataset.name,
        source="import" if query is None else "query",
        columns=dataset.columns,
        row_count=dataset.row_count,
        versions=tuple(datasets.list_versions(session, dataset)),
        query=query,
        key=dataset.key_columns if query is None else query.key_columns,
    )


def _of_pipeline(session: Session, path: str) -> VaultEntry:
    pipeline = catalogue.find_pipeline(session, path)
    return VaultEntry(
        name=f"{pipeline.project}/{pipeline.name}",
        source="pipeline",
        columns=columns_of(pipeline.fields),
        row_count=count_rows(session, pipeline.id),
    )
