"""How far each export of results has come."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add the table."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "result_exports",
        sa.Column("pipeline_id", big, sa.ForeignKey("pipelines.id"), primary_key=True),
        sa.Column("scope", sa.Text(), primary_key=True),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("group_id", big, nullable=True),
        sa.Column("exported_until", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("pending_from", sa.BigInteger(), nullable=True),
        sa.Column("pending_until", sa.BigInteger(), nullable=True),
        sa.Column("exported", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("announce_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index(
        "ix_result_exports_announce_at",
        "result_exports",
        ["announce_at"],
        postgresql_where=sa.text("announce_at IS NOT NULL"),
        sqlite_where=sa.text("announce_at IS NOT NULL"),
    )
