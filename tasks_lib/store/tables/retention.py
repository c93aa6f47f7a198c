"""The deletion of tasks whose retention is over."""

from sqlalchemy import BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table
from tasks_lib.store.tables.catalogue import PipelineRow


class RetentionRow(Table):
    """The deletion of a pipeline's tasks whose retention is over.

    ``finished`` and ``withdrawn`` are the numbers of tasks deleted ever, ``unrecorded`` of those
    that the audit trail does not have yet. ``status`` is that of the tasks that are being looked
    at, from ``after`` on; without it none are.
    """

    __tablename__ = "retentions"

    pipeline_id: Mapped[int] = mapped_column(
        BigId, ForeignKey(PipelineRow.id), primary_key=True, autoincrement=False
    )
    finished: Mapped[int] = mapped_column(BigInteger, default=0)
    withdrawn: Mapped[int] = mapped_column(BigInteger, default=0)
    unrecorded_finished: Mapped[int] = mapped_column(BigInteger, default=0)
    unrecorded_withdrawn: Mapped[int] = mapped_column(BigInteger, default=0)
    status: Mapped[str | None] = mapped_column(Text)
    after: Mapped[int] = mapped_column(BigInteger, default=0)
