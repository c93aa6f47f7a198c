"""The baseline of a chain's drain: one INSERT of what a SELECT makes of all that waits.

It fills the same table with the same keys and indexes, empties the inbox, and checks no value.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks.loaders.insert_select import GROUP, STREAM

_TASKS = (
    "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined, stream_id, origin_id)"
    " SELECT :pipeline, :group, t.id, 'pending', json_build_object('review_id',"
    " t.predefined -> 'review_id', 'body', t.predefined -> 'body', 'sentiment',"
    " t.filled_in -> 'sentiment'), :stream, t.id"
    " FROM chain_inbox i JOIN tasks t ON t.id = i.task_id ORDER BY t.id"
)


def prepared(database_url: str, source: Path) -> Callable[[], object]:  # noqa: ARG001
    """Return the statements' run, from opening the connection to the commit."""
    return partial(_drain, database_url)


def _drain(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        target = connection.scalar(text("SELECT target_pipeline_id FROM chains"))
        pipeline = {"pipeline": target}
        group = connection.scalar(text(GROUP), pipeline)
        stream = connection.scalar(text(STREAM), pipeline)
        connection.execute(text(_TASKS), pipeline | {"group": group, "stream": stream})
        connection.execute(text("DELETE FROM chain_inbox"))
    engine.dispose()
