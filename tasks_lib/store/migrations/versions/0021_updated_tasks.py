"""The policies for changed and missing rows, and the values that tasks had before."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON_TEXT = sa.Text().with_variant(postgresql.JSON(), "postgresql")


def upgrade() -> None:
    """Add the columns, and create the table."""
    op.add_column(
        "pipelines",
        sa.Column("on_change", sa.Text(), server_default=sa.text("'keep'"), nullable=False),
    )
    op.add_column(
        "pipelines",
        sa.Column("on_missing", sa.Text(), server_default=sa.text("'keep'"), nullable=False),
    )
    op.create_table(
        "task_updates",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("task_id", _BIG_ID, nullable=False),
        sa.Column("group_id", _BIG_ID, nullable=False),
        sa.Column("predefined", _JSON_TEXT, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["tasks.id"],
            name=op.f("fk_task_updates_task_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["task_groups.id"], name=op.f("fk_task_updates_group_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_updates")),
    )
    op.create_index(op.f("ix_task_updates_task_id"), "task_updates", ["task_id"], unique=False)
    op.create_index(op.f("ix_task_updates_group_id"), "task_updates", ["group_id"], unique=False)
