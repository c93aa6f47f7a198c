"""Insert tasks in bulk. The caller updates the counts."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.bulk import insert_rows
from tasks_lib.store.dialect import is_postgresql
from tasks_lib.store.tasks import queues

if TYPE_CHECKING:  # loading it takes time, and creating blank tasks does not need it
    import pyarrow as pa

_BLANK_POSTGRESQL: Final = text(
    "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined)"
    " SELECT :pipeline_id, :group_id, n, :status, '{}' FROM generate_series(1, :count) AS n"
)
_BLANK_SQLITE: Final = text(
    "WITH RECURSIVE numbers(n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"
    " INSERT INTO tasks (pipeline_id, group_id, row, status, predefined)"
    " SELECT :pipeline_id, :group_id, n, :status, '{}' FROM numbers"
)


class NewTasks(NamedTuple):
    """Tasks to insert: the row of each in the source (int64) and its JSON object (string).

    ``origins`` are the ids of the dataset rows, source tasks or copied tasks, if there are any.
    """

    rows: "pa.Array"
    predefined: "pa.Array"
    origins: "pa.Array | None" = None


def insert_tasks(
    session: Session,
    batches: Iterable[NewTasks],
    *,
    pipeline_id: int,
    group_id: int,
    status: TaskStatus,
    stream_id: int | None = None,
    have_origins: bool = False,
) -> int:
    """Insert the batches as tasks of the group, in the caller's transaction; return their number.

    With ``stream_id`` or ``have_origins`` every batch has ``origins``. If ``batches`` raises, the
    caller rolls back.
    """
    constants: dict[str, int | str] = {
        "pipeline_id": pipeline_id,
        "group_id": group_id,
        "status": status.value,
    }
    with queues.keep_open(session, pipeline_id):
        if stream_id is not None:
            constants["stream_id"] = stream_id
        elif not have_origins:
            pairs = ((batch.rows, batch.predefined) for batch in batches)
            return insert_rows(session, "tasks", constants, ("row", "predefined"), pairs)
        columns = ("row", "predefined", "origin_id")
        return insert_rows(session, "tasks", constants, columns, batches)


def insert_blank_tasks(
    session: Session, *, pipeline_id: int, group_id: int, status: TaskStatus, count: int
) -> None:
    """Insert ``count`` tasks without values into the group, in the caller's transaction."""
    with queues.keep_open(session, pipeline_id):
        session.execute(
            _BLANK_POSTGRESQL if is_postgresql(session) else _BLANK_SQLITE,
            {"pipeline_id": pipeline_id, "group_id": group_id, "status": status, "count": count},
        )
