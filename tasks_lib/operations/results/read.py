"""Read the results of a pipeline or a group, in the order in which the tasks were finished."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.results import ResultColumn, joined_columns
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.results.joined import find_sources, join_sources
from tasks_lib.store import catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.groups import task_groups
from tasks_lib.store.results import finished_tasks
from tasks_lib.store.results.finished_tasks import ResultRange, StoredResult
from tasks_lib.store.tasks.queries import last_finish_number

MEMBERS: Final = StoredResult._fields
"""The members of a row of ``Results``, in their order."""


class Scope(NamedTuple):
    """The pipeline whose results are read, and the group if only its are."""

    pipeline: Pipeline
    group_id: int | None = None


class Results(NamedTuple):
    """Batches of stored results, which can be read once.

    With columns of source pipelines, each row has one more member: the task of each, or None.

    ``until`` is the place in the order of finishing up to which they are complete: as ``after`` of
    the next reading it leaves out what this one returns.
    """

    columns: tuple[ResultColumn, ...]
    batches: Iterator[Sequence[Sequence[Any]]]
    until: int


def find_scope(store: Store, pipeline: str = "", group_id: int | None = None) -> Scope:
    """Return the scope of a pipeline, or of a group with its pipeline; raise NotFoundError."""
    with store.read() as session:
        if group_id is None:
            return Scope(catalogue.find_pipeline(session, pipeline))
        group = task_groups.find_by_id(session, group_id)
        if group is None:
            raise NotFoundError(f"there is no group {group_id}")
        return Scope(catalogue.get_pipeline(session, group.pipeline_id), group.id)


def narrow_scope(store: Store, scope: Scope, group_id: int | None) -> Scope:
    """Return the scope of a group, if there is one, of the pipeline; raise UsageError otherwise."""
    if group_id is None:
        return scope
    narrowed = find_scope(store, group_id=group_id)
    if narrowed.pipeline.id != scope.pipeline.id:
        paths = f"{narrowed.pipeline.path}, not of {scope.pipeline.path}"
        raise UsageError(f"group {group_id} is of pipeline {paths}")
    return narrowed


@contextmanager
def open_results(
    store: Store,
    scope: Scope,
    *,
    after: int = 0,
    up_to: int | None = None,
    finished_from: datetime | None = None,
    limit: int | None = None,
    with_source: bool = False,
    as_columns: bool = False,
) -> Iterator[Results]:
    """Open the results: those finished after a place in the order of finishing, or from a time.

    ``with_source`` joins them with the tasks that they were created from. ``as_columns`` is for
    readers that seldom look at single rows: where it is faster, batches are ``ColumnarRows``.
    Without ``up_to`` they end with the task that was finished last; tasks that are finished
    meanwhile are left out.
    """
    last = find_last(store, scope.pipeline.id) if up_to is None else up_to
    pipeline = scope.pipeline
    wanted = ResultRange(pipeline.id, scope.group_id, finished_from, after, last, limit)
    with store.read() as session:
        sources = find_sources(session, pipeline) if with_source else []
        is_columnar = as_columns and store.is_postgresql and not sources
        read = _stream_columns if is_columnar else finished_tasks.stream_results
        with closing(read(session, wanted)) as stored:
            batches = join_sources(session, stored, sources) if sources else stored
            yield Results(joined_columns(pipeline, sources), batches, max(after, last))


def _stream_columns(session: Session, wanted: ResultRange) -> Generator[Sequence[Sequence[Any]]]:
    from tasks_lib.output.columnar_rows import ColumnarRows  # noqa: PLC0415 - loads Arrow
    from tasks_lib.store.results.finished_columns import stream_columns  # noqa: PLC0415

    with closing(stream_columns(session, wanted)) as batches:
        yield from map(ColumnarRows, batches)


def find_last(store: Store, pipeline_id: int) -> int:
    """Return the place of the task that was finished last; no task is finished before it later."""
    with store.read() as session:
        return last_finish_number(session, pipeline_id)
