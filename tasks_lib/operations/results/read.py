"""Read the results of a pipeline or a group, in the order in which the tasks were finished."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.results import ResultColumn, result_columns
from tasks_lib.errors import NotFoundError
from tasks_lib.output.result_batches import ResultBatches
from tasks_lib.store import catalogue, results, task_groups
from tasks_lib.store.engine import Store
from tasks_lib.store.results import StoredResult
from tasks_lib.store.tasks.queries import last_finish_number


class Scope(NamedTuple):
    """The pipeline whose results are read, and the group if only its are."""

    pipeline: Pipeline
    group_id: int | None = None


class Results(NamedTuple):
    """The rows in batches, which can be read once.

    ``until`` is the place in the order of finishing up to which they are complete: as ``after`` of
    the next reading it leaves out what this one returns.
    """

    columns: tuple[ResultColumn, ...]
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
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


@contextmanager
def open_results(
    store: Store,
    scope: Scope,
    *,
    after: int = 0,
    finished_from: datetime | None = None,
    limit: int | None = None,
) -> Iterator[Results]:
    """Open the results: those finished after a place in the order of finishing, or from a time.

    What is finished meanwhile is left out.
    """
    columns = result_columns(scope.pipeline.fields)
    with store.read() as session:
        last = last_finish_number(session, scope.pipeline.id)
    writer = ResultBatches(columns, StoredResult._fields)

    def read() -> Generator[pa.RecordBatch]:
        with (
            store.read() as session,
            closing(
                results.stream_results(
                    session,
                    scope.pipeline.id,
                    group_id=scope.group_id,
                    finished_from=finished_from,
                    after=after,
                    up_to=last,
                    limit=limit,
                )
            ) as batches,
        ):
            for rows in batches:
                yield writer.write(rows)

    with closing(read()) as batches:
        yield Results(columns, writer.schema, batches, max(after, last))
