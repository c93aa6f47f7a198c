"""Look into the Data Vault: an organization's datasets, and the tasks of its pipelines as such."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.conversions import Column
from tasks_lib.domain.json_rows import json_text, parse_task_row
from tasks_lib.domain.mapping import columns_of
from tasks_lib.errors import UsageError
from tasks_lib.store import catalogue, datasets
from tasks_lib.store.dataset_queries import Query, find_query
from tasks_lib.store.datasets import Dataset, Version
from tasks_lib.store.engine import Store
from tasks_lib.store.task_rows import count_rows, task_rows


class VaultEntry(NamedTuple):
    """A dataset: imported, a query, or the tasks of a pipeline as ``project/pipeline``."""

    name: str
    source: str
    columns: tuple[Column, ...]
    row_count: int
    versions: tuple[Version, ...] = ()
    rows: tuple[str, ...] = ()
    query: Query | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The JSON form; rows go out to the letter."""
        told = {"query": self.query._asdict()} if self.query is not None else {}
        return told | {
            "name": self.name,
            "source": self.source,
            "rows": self.row_count,
            "columns": [{"name": name, "type": kind.value} for name, kind in self.columns],
            "versions": [version._asdict() for version in self.versions],
            "first_rows": [orjson.Fragment(row) for row in self.rows],
        }


def list_datasets(store: Store, organization: str) -> list[VaultEntry]:
    """Return the organization's datasets by name, then its pipelines; raise NotFoundError."""
    with store.read() as session:
        organization_id = datasets.find_organization(session, organization)
        found = [
            _of_dataset(session, dataset)
            for dataset in datasets.list_datasets(session, organization_id)
        ]
        paths = catalogue.pipeline_paths(session)
        mine = [path for path in paths if path.startswith(f"{organization}/")]
        return found + [_of_pipeline(session, path) for path in sorted(mine)]


def show_dataset(store: Store, organization: str, name: str, *, rows: int) -> VaultEntry:
    """Return a dataset with its first ``rows``; raise NotFoundError."""
    if rows < 0:
        raise UsageError(f"the number of rows is {rows}; it must be at least 0")
    entry = _find(store, organization, name)
    texts = (line.rstrip("\n") for line in export_dataset(store, organization, name, limit=rows))
    return entry._replace(rows=tuple(texts))


def export_dataset(store: Store, organization: str, name: str, *, limit: int = -1) -> Iterator[str]:
    """Return a dataset's rows as lines of JSON, in order, to the letter; raise NotFoundError."""
    with store.read() as session:
        if "/" in name:
            pipeline = catalogue.find_pipeline(session, f"{organization}/{name}")
            return _lines_of_tasks(store, pipeline.id, limit)
        organization_id = datasets.find_organization(session, organization)
        dataset = datasets.find_dataset(session, organization_id, name)
        return _lines_of_rows(store, dataset, limit)


def _lines_of_tasks(store: Store, pipeline_id: int, limit: int) -> Iterator[str]:
    with store.read() as session:
        for batch in task_rows(session, pipeline_id, limit=limit):
            yield from (json_text(parse_task_row(text)) + "\n" for _, _, text in batch)


def _lines_of_rows(store: Store, dataset: Dataset, limit: int) -> Iterator[str]:
    with store.read() as session:
        for batch in datasets.dataset_rows(session, dataset, limit=limit):
            yield from (f"{text}\n" for _, _, text in batch)


def _find(store: Store, organization: str, name: str) -> VaultEntry:
    with store.read() as session:
        if "/" in name:
            return _of_pipeline(session, f"{organization}/{name}")
        organization_id = datasets.find_organization(session, organization)
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
    )


def _of_pipeline(session: Session, path: str) -> VaultEntry:
    pipeline = catalogue.find_pipeline(session, path)
    return VaultEntry(
        name=f"{pipeline.project}/{pipeline.name}",
        source="pipeline",
        columns=columns_of(pipeline.fields),
        row_count=count_rows(session, pipeline.id),
    )
