"""The queries of datasets."""

from sqlalchemy import JSON, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, Table
from tasks_lib.store.tables.datasets import DatasetRow


class DatasetQueryRow(Table):
    """The query of a dataset whose rows are read from another database.

    ``connection`` is a database URL without a password, or ``secret:<block>``. ``key_columns``
    identify a row; without any, its whole content does.
    """

    __tablename__ = "dataset_queries"

    dataset_id: Mapped[int] = mapped_column(BigId, ForeignKey(DatasetRow.id), primary_key=True)
    connection: Mapped[str] = mapped_column(Text)
    query: Mapped[str] = mapped_column(Text)
    key_columns: Mapped[list[str]] = mapped_column(JSON)
