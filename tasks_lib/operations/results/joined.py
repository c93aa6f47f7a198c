"""Join results with the tasks that they were created from, through any number of chains."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.errors import NotFoundError
from tasks_lib.store import catalogue
from tasks_lib.store.results.finished_tasks import StoredResult, find_results, list_source_pipelines

_KIND: Final = StoredResult._fields.index("source_kind")
_ORIGIN: Final = StoredResult._fields.index("origin_id")
_OF_TASKS: Final = frozenset({SeedKind.PIPELINE, SeedKind.CHAIN, SeedKind.INFINITE})
"""The kinds of groups whose tasks were created from tasks, or are copies of tasks."""


def find_sources(session: Session, pipeline: Pipeline) -> list[Pipeline]:
    """Return the pipelines from whose tasks a pipeline was seeded, at any distance, nearest first.

    The pipeline itself is among them only if others led back to it.
    """
    found: dict[int, Pipeline | None] = {}
    level = list_source_pipelines(session, [pipeline.id])
    while level:
        found |= {pipeline_id: _find(session, pipeline_id) for pipeline_id in level}
        further = list_source_pipelines(session, level)
        level = [pipeline_id for pipeline_id in further if pipeline_id not in found]
    return [source for source in found.values() if source is not None]


def join_sources(
    session: Session, batches: Iterator[Sequence[Sequence[Any]]], sources: Sequence[Pipeline]
) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield the rows with one more member: the nearest task of each source pipeline, or None.

    A batch costs one query for each step that its rows have behind them. The task that an infinite
    seeding has copied is no source, but the copy has the same sources.
    """
    places = {source.id: place for place, source in enumerate(sources)}
    for rows in batches:
        joined: list[list[Sequence[Any] | None]] = [[None] * len(sources) for _ in rows]
        nearest = {number: row for number, row in enumerate(rows) if _has_task(row)}
        while nearest:
            tasks = find_results(session, {row[_ORIGIN] for row in nearest.values()})
            further = {}
            for number, row in nearest.items():
                if row[_ORIGIN] not in tasks:
                    continue
                task, pipeline_id = tasks[row[_ORIGIN]]
                place = places.get(pipeline_id)
                is_copied = row[_KIND] == SeedKind.INFINITE
                if place is not None and not is_copied and joined[number][place] is None:
                    joined[number][place] = task
                if _has_task(task) and None in joined[number]:
                    further[number] = task
            nearest = further
        yield [(*row, found) for row, found in zip(rows, joined, strict=True)]


def _has_task(row: Sequence[Any]) -> bool:
    return row[_ORIGIN] is not None and row[_KIND] in _OF_TASKS


def _find(session: Session, pipeline_id: int) -> Pipeline | None:
    try:
        return catalogue.get_pipeline(session, pipeline_id)
    except NotFoundError:
        return None
