"""The Data Vault: datasets, their versions and rows."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tasks_lib.store.tables.base import BigId, JsonText, Table, UtcDateTime, partial_index
from tasks_lib.store.tables.catalogue import OrganizationRow


class DatasetRow(Table):
    """A dataset of the Data Vault; its rows are those of the versions from ``base_version`` on.

    ``key_columns`` identify a row of a dataset that is imported by key.
    """

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    organization_id: Mapped[int] = mapped_column(BigId, ForeignKey(OrganizationRow.id))
    name: Mapped[str] = mapped_column(Text)
    columns: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    version: Mapped[int] = mapped_column(Integer)
    base_version: Mapped[int] = mapped_column(Integer)
    row_count: Mapped[int] = mapped_column(BigInteger)
    key_columns: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))


class DatasetVersionRow(Table):
    """One import into a dataset: how many rows it added, changed and removed."""

    __tablename__ = "dataset_versions"

    dataset_id: Mapped[int] = mapped_column(BigId, ForeignKey(DatasetRow.id), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    row_count: Mapped[int] = mapped_column(BigInteger)
    changed_count: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    removed_count: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


class DatasetItemRow(Table):
    """A row of a dataset, as a JSON object; ``row`` is its number in the dataset.

    ``version`` is the import that brought its value. A row that is read from another database or
    imported by key has a ``key``, unique in the dataset. Version ``removed_in`` no longer has it.
    """

    __tablename__ = "dataset_rows"
    __table_args__ = (
        UniqueConstraint("dataset_id", "version", "row"),
        partial_index(
            "uq_dataset_rows_dataset_id_key",
            "dataset_id",
            "key",
            where="key IS NOT NULL",
            is_unique=True,
        ),
        ForeignKeyConstraint(
            ["dataset_id", "version"], [DatasetVersionRow.dataset_id, DatasetVersionRow.version]
        ),
    )

    id: Mapped[int] = mapped_column(BigId, Identity(always=True), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(BigId)
    version: Mapped[int] = mapped_column(Integer)
    row: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[str] = mapped_column(JsonText)
    key: Mapped[str | None] = mapped_column(Text)
    removed_in: Mapped[int | None] = mapped_column(Integer)


class DatasetRowVersionRow(Table):
    """A value that a row of a dataset had from ``version`` until ``until_version``."""

    __tablename__ = "dataset_row_versions"

    dataset_id: Mapped[int] = mapped_column(BigId, ForeignKey(DatasetRow.id), primary_key=True)
    row_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    until_version: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    value: Mapped[str] = mapped_column(JsonText)
