"""Stored files, and the groups that refer to them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "stored_files",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_stored_files")),
    )
    op.create_table(
        "group_files",
        sa.Column("group_id", _BIG_ID, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["task_groups.id"], name=op.f("fk_group_files_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["uri"], ["stored_files.uri"], name=op.f("fk_group_files_uri"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("group_id", "uri", name=op.f("pk_group_files")),
    )
    op.create_index(op.f("ix_group_files_uri"), "group_files", ["uri"], unique=False)
