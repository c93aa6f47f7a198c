"""The counts of tasks, and where their queues begin."""

from typing import Final

from sqlalchemy import BigInteger, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.domain.lifecycle import DONE
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.store.tables.base import BigId, Table, partial_index
from tasks_lib.store.tables.catalogue import PipelineRow


class _ByStatus:
    """A number for each status of a task."""

    pending: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    in_progress: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    paused: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    finished: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    escalated: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    quarantined: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    failed: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    withdrawn: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


class TaskCountRow(_ByStatus, Table):
    """The number of a pipeline's tasks by stored status, and of claims ever.

    Every transaction that creates or moves tasks updates the counts. A pipeline's numbers are the
    sums over its rows; in a single row a number can be negative. On PostgreSQL each connection
    writes rows of its own, so that none waits for another, and now and then they are added to the
    row with slot 0 and to ``GroupCountRow``. A row with a ``group_id`` is not yet in the latter.
    The table has no foreign keys, which would lock the pipeline's row for each new row.
    """

    __tablename__ = "task_counts"

    pipeline_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    slot: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, default=0, server_default=text("0")
    )
    claims: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


_LEFT: Final = " + ".join(status.value for status in TaskStatus if status not in DONE)
UNSETTLED_GROUP: Final = (
    f"({_LEFT} = 0 AND finished + withdrawn > 0 AND completed IS NULL)"
    f" OR (completed IS NOT NULL AND ({_LEFT} > 0 OR finished <> completed))"
)
"""The condition of the counts of a group that has finished or was reopened unnoticed."""


class GroupCountRow(_ByStatus, Table):
    """The number of a group's tasks by stored status, without those still in ``TaskCountRow``.

    ``completed`` is the number of finished tasks when the group was found finished, and None while
    it is open.
    """

    __tablename__ = "group_counts"
    __table_args__ = (
        partial_index("ix_group_counts_unsettled", "group_id", where=UNSETTLED_GROUP),
    )

    group_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    completed: Mapped[int | None] = mapped_column(BigInteger)


class TaskQueueRow(Table):
    """Where the queue of a pipeline begins, on PostgreSQL: no task before ``first_id`` is pending.

    ``generation`` grows whenever the counts are added up; then connections begin new rows. Without
    a row both are 0.
    """

    __tablename__ = "task_queues"

    pipeline_id: Mapped[int] = mapped_column(
        BigId, ForeignKey(PipelineRow.id), primary_key=True, autoincrement=False
    )
    first_id: Mapped[int] = mapped_column(BigInteger)
    generation: Mapped[int] = mapped_column(BigInteger)
