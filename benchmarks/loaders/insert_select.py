"""The baseline of seeding from a dataset: measures one INSERT of what a SELECT makes of its rows.

It fills the same table with the same keys and indexes, and checks no value.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks.mapped_inputs import SHAPES

GROUP = (
    "INSERT INTO task_groups"
    " (pipeline_id, kind, seed_key, source, created_at, task_count, rejected_count)"
    " VALUES (:pipeline, 'dataset', 'by hand', 'by hand', now(), 0, 0) RETURNING id"
)
STREAM = (
    "INSERT INTO streams (pipeline_id, source, generation)"
    " VALUES (:pipeline, 'by hand', 1) RETURNING id"
)
_TASKS = (
    "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined, stream_id, origin_id)"
    " SELECT :pipeline, :group, row, 'pending', json_build_object({members}), :stream, id"
    " FROM dataset_rows ORDER BY id"
)


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the statement's run, from opening the connection to the commit."""
    return partial(_insert, database_url, SHAPES[source.stem].members)


def _insert(database_url: str, members: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        pipeline = {"pipeline": 1}
        group = connection.scalar(text(GROUP), pipeline)
        stream = connection.scalar(text(STREAM), pipeline)
        statement = text(_TASKS.format(members=members))
        connection.execute(statement, pipeline | {"group": group, "stream": stream})
    engine.dispose()
