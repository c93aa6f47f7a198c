"""JSON documents of what operations return, as the commands print them with ``--json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:  # they load what most commands do not need
    from collections.abc import Mapping
    from datetime import datetime

    from tasks_lib.domain.mapping.saved import SavedMapping
    from tasks_lib.operations.api_keys import Key
    from tasks_lib.operations.catalogue.read import CountedPipeline
    from tasks_lib.operations.chains.manage import Chain, ChainExplanation
    from tasks_lib.operations.datasets.data_vault import VaultEntry
    from tasks_lib.operations.tasks.read import Task


def dataset_document(entry: VaultEntry) -> dict[str, Any]:
    """Return a dataset as a JSON document, in which rows keep their exact text."""
    from tasks_lib.domain.mapping.conversions import columns_to_json

    query = {"query": entry.query._asdict()} if entry.query is not None else {}
    return query | {
        "name": entry.name,
        "source": entry.source,
        "rows": entry.row_count,
        "key": entry.key,
        "columns": columns_to_json(entry.columns),
        "versions": [version._asdict() for version in entry.versions],
        "first_rows": [orjson.Fragment(row) for row in entry.rows],
    }


def mapping_document(saved: SavedMapping) -> dict[str, Any]:
    """Return a saved mapping as a JSON document."""
    version = {"name": saved.name, "version": saved.version, "created_at": saved.created_at}
    return version | saved.content.document


def pipeline_document(entry: CountedPipeline) -> dict[str, Any]:
    """Return a pipeline as a JSON document, with the members that a workflow of the API has."""
    pipeline = entry.pipeline
    return {
        "id": pipeline.id,
        "path": pipeline.path,
        "name": pipeline.name,
        "project": pipeline.project,
        "organization": pipeline.organization,
        "status": pipeline.status,
        "task_counts": {status.value: count for status, count in entry.counts.items()},
        "task_total": entry.total,
    }


def whole_pipeline_document(entry: CountedPipeline) -> dict[str, Any]:
    """Return a pipeline with its settings and fields as a JSON document."""
    pipeline = entry.pipeline
    fields = [field.model_dump(mode="json", exclude_none=True) for field in pipeline.fields]
    settings = {
        "claim_timeout": pipeline.claim_timeout,
        "key": list(pipeline.key),
        "on_change": pipeline.on_change,
        "on_missing": pipeline.on_missing,
        "retention": pipeline.retention.model_dump(exclude_none=True),
        "fields": fields,
    }
    return pipeline_document(entry) | settings


def whole_task_document(task: Task, links: Mapping[str, str]) -> dict[str, Any]:
    """Return a task with its moves and links to its files as a JSON document."""
    moves = [move._asdict() for move in task.moves]
    return task_document(task) | {"moves": moves, "links": links}


def key_document(key: Key, at: datetime) -> dict[str, Any]:
    """Return an API key's entry as a JSON document."""
    return key._asdict() | {"state": key.state(at)}


def chain_document(chain: Chain) -> dict[str, Any]:
    """Return a chain as a JSON document.

    ``on`` is the name that the option and the API have; ``trigger`` is its old name.
    """
    return chain._asdict() | {"on": chain.trigger}


def explained_chain_document(explained: ChainExplanation) -> dict[str, Any]:
    """Return a chain with its unfit tasks and the reasons why it has not fired.

    ``unfit_tasks`` is the name that the API has; ``misfits`` is its old name.
    """
    unfit = [task._asdict() for task in explained.misfits]
    return explained._asdict() | {
        "chain": chain_document(explained.chain),
        "unfit_tasks": unfit,
        "misfits": unfit,
    }


def task_document(task: Task) -> dict[str, Any]:
    """Return a task as a JSON document."""
    document = task._asdict()
    del document["moves"]
    document["fields"] = orjson.Fragment(task.fields)
    origin = task.origin._asdict()
    document["origin"] = {name: value for name, value in origin.items() if value is not None}
    return document
