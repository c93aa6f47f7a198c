"""Keys of imported datasets, the values that their rows had, and what each import changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON_TEXT = sa.Text().with_variant(postgresql.JSON(), "postgresql")


def upgrade() -> None:
    """Add the columns and the table; so far no row of a dataset has ever changed."""
    op.add_column("datasets", sa.Column("key_columns", sa.JSON(), nullable=True))
    for name in ("changed_count", "removed_count"):
        count = sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column("dataset_versions", count)
    op.add_column("dataset_rows", sa.Column("removed_in", sa.Integer(), nullable=True))
    op.create_table(
        "dataset_row_versions",
        sa.Column("dataset_id", _BIG_ID, nullable=False),
        sa.Column("row_id", _BIG_ID, nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("value", _JSON_TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_row_versions_dataset_id")
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "row_id", "until_version", name=op.f("pk_dataset_row_versions")
        ),
    )
    op.add_column("task_groups", sa.Column("source_version", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE task_groups SET source_version = ("
        " SELECT d.version FROM streams s JOIN datasets d ON s.source = 'dataset:' || d.id"
        " WHERE s.id = task_groups.stream_id) WHERE kind = 'dataset'"
    )
