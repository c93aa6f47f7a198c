"""Datasets, streams from a source into a pipeline, and what contributors fill in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON_TEXT = sa.Text().with_variant(postgresql.JSON(), "postgresql")
_IN_A_STREAM = sa.text("stream_id IS NOT NULL")


def upgrade() -> None:
    """Create the tables, and the columns of tasks and groups that refer to them."""
    op.create_table(
        "streams",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("pipeline_id", _BIG_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_streams_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_streams")),
        sa.UniqueConstraint(
            "pipeline_id",
            "source",
            "generation",
            name=op.f("uq_streams_pipeline_id_source_generation"),
        ),
    )
    op.create_table(
        "datasets",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", _BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_datasets_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint(
            "organization_id", "name", name=op.f("uq_datasets_organization_id_name")
        ),
    )
    op.create_table(
        "dataset_versions",
        sa.Column("dataset_id", _BIG_ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_versions_dataset_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "version", name=op.f("pk_dataset_versions")),
    )
    op.create_table(
        "dataset_rows",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("dataset_id", _BIG_ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("value", _JSON_TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id", "version"],
            ["dataset_versions.dataset_id", "dataset_versions.version"],
            name=op.f("fk_dataset_rows_dataset_id_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_rows")),
        sa.UniqueConstraint(
            "dataset_id", "version", "row", name=op.f("uq_dataset_rows_dataset_id_version_row")
        ),
    )
    # Alembic would make the key in a second statement, which SQLite does not have.
    kind = "BIGINT" if op.get_bind().dialect.name == "postgresql" else "INTEGER"
    op.execute(
        f"ALTER TABLE task_groups ADD COLUMN stream_id {kind}"
        " CONSTRAINT fk_task_groups_stream_id REFERENCES streams (id)"
    )
    op.add_column("tasks", sa.Column("filled_in", _JSON_TEXT, nullable=True))
    op.add_column("tasks", sa.Column("stream_id", _BIG_ID, nullable=True))
    op.add_column("tasks", sa.Column("origin_id", _BIG_ID, nullable=True))
    op.create_index(
        "uq_tasks_stream_id_origin_id",
        "tasks",
        ["stream_id", "origin_id"],
        unique=True,
        postgresql_where=_IN_A_STREAM,
        sqlite_where=_IN_A_STREAM,
    )
