"""The counts of claims and finished tasks that Prefect has heard of, for each pipeline."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table, UtcDateTime
from tasks_lib.store.tables.catalogue import PipelineRow


class AnnouncementRow(Table):
    """How many claims and finished tasks of a pipeline were announced to Prefect.

    The difference between the counts and these numbers is pending: the counts are the outbox.
    ``completed`` is the number of finished tasks when the pipeline was last announced as finished.
    ``leased_until`` keeps two relays from announcing the same at the same time.
    """

    __tablename__ = "announcements"

    pipeline_id: Mapped[int] = mapped_column(BigId, ForeignKey(PipelineRow.id), primary_key=True)
    claims: Mapped[int] = mapped_column(BigInteger, default=0)
    finished: Mapped[int] = mapped_column(BigInteger, default=0)
    completed: Mapped[int] = mapped_column(BigInteger, default=0)
    announced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
