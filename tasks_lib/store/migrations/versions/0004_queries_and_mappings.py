"""Datasets that are read from another database, and saved mappings."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables, and the key column of rows from other databases."""
    op.create_table(
        "dataset_queries",
        sa.Column("dataset_id", _BIG_ID, nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("key_columns", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_queries_dataset_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_dataset_queries")),
    )
    op.create_table(
        "saved_mappings",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("pipeline_id", _BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("skip", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_saved_mappings_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_mappings")),
        sa.UniqueConstraint(
            "pipeline_id",
            "name",
            "version",
            name=op.f("uq_saved_mappings_pipeline_id_name_version"),
        ),
    )
    op.add_column("dataset_rows", sa.Column("key", sa.Text(), nullable=True))
    op.create_index(
        "uq_dataset_rows_dataset_id_key",
        "dataset_rows",
        ["dataset_id", "key"],
        unique=True,
        postgresql_where=sa.text("key IS NOT NULL"),
        sqlite_where=sa.text("key IS NOT NULL"),
    )
