"""The state of groups, and the rows whose tasks an undo has removed."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns and the table."""
    state = sa.Column("state", sa.Text(), server_default="created", nullable=False)
    removed = sa.Column(
        "removed_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False
    )
    op.add_column("task_groups", state)
    op.add_column("task_groups", removed)
    op.add_column("task_groups", sa.Column("undone_by", sa.Text(), nullable=True))
    op.add_column("task_groups", sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("task_groups", sa.Column("flows_again", sa.Boolean(), nullable=True))
    op.create_index(
        "ix_task_groups_undoing",
        "task_groups",
        ["id"],
        postgresql_where=sa.text("state = 'undoing'"),
        sqlite_where=sa.text("state = 'undoing'"),
    )
    op.create_table(
        "removed_rows",
        sa.Column("stream_id", _BIG_ID, nullable=False),
        sa.Column("origin_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("group_id", _BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name=op.f("fk_removed_rows_stream_id")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["task_groups.id"], name=op.f("fk_removed_rows_group_id")
        ),
        sa.PrimaryKeyConstraint("stream_id", "origin_id", name=op.f("pk_removed_rows")),
    )
