"""The exports that a catalogue declares, and when an export ran last."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Add the table and the column."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "declared_results",
        sa.Column("pipeline_id", big, sa.ForeignKey("pipelines.id"), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("by_day", sa.Boolean(), nullable=False),
        sa.Column("with_source", sa.Boolean(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
    )
    op.add_column("result_exports", sa.Column("ran_at", sa.DateTime(timezone=True), nullable=True))
