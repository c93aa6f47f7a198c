"""The leases of long-lived work."""

from datetime import datetime

from sqlalchemy import JSON, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import Table, UtcDateTime


class LeaseRow(Table):
    """The lease of long-lived work: its holder, the last renewal, and the history for the next."""

    __tablename__ = "sensors"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    holder: Mapped[str] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    history: Mapped[list[list[int]]] = mapped_column(JSON)
