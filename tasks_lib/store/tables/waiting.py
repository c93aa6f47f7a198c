"""The flow runs that wait for groups."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import Table, UtcDateTime, partial_index


class GroupWaitRow(Table):
    """One wait of a flow run for groups; it stays until the run has ended.

    ``id`` identifies the call in the run, so that a body that runs again finds it. ``round`` counts
    its suspensions. ``outcome`` is set when the wait is over. ``resume_at`` is when the run may be
    resumed next, once its groups are finished; ``tries`` counts the attempts of a suspension, and
    ``restarts`` how often the run was started again after a crash.
    """

    __tablename__ = "group_waits"
    __table_args__ = (
        partial_index("ix_group_waits_resume_at", "resume_at", where="outcome IS NULL"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    flow_run_id: Mapped[str] = mapped_column(Text, index=True)
    group_ids: Mapped[list[int]] = mapped_column(JSON)
    deadline: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(Text)
    round: Mapped[int] = mapped_column(BigInteger, default=0)
    resume_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tries: Mapped[int] = mapped_column(BigInteger, default=0)
    restarts: Mapped[int] = mapped_column(BigInteger, default=0)
