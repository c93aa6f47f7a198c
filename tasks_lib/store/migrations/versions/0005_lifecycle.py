"""Claims, the record of moves, the counts by status, and the announced numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables, and count the existing tasks."""
    op.add_column("tasks", sa.Column("claimed_by", sa.Text(), nullable=True))
    op.add_column("tasks", sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("claim_expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_tasks_claim_expires_at",
        "tasks",
        ["claim_expires_at"],
        unique=False,
        postgresql_where=sa.text("claim_expires_at IS NOT NULL"),
        sqlite_where=sa.text("claim_expires_at IS NOT NULL"),
    )
    op.add_column(
        "task_groups", sa.Column("announce_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_index(
        "ix_task_groups_announce_at",
        "task_groups",
        ["announce_at"],
        unique=False,
        postgresql_where=sa.text("announce_at IS NOT NULL"),
        sqlite_where=sa.text("announce_at IS NOT NULL"),
    )
    op.create_table(
        "task_moves",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("task_id", _BIG_ID, nullable=False),
        sa.Column("move", sa.Text(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_moves_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_moves")),
    )
    op.create_index(op.f("ix_task_moves_task_id"), "task_moves", ["task_id"], unique=False)
    op.create_table(
        "task_counts",
        sa.Column("pipeline_id", _BIG_ID, nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pending", sa.BigInteger(), nullable=False),
        sa.Column("in_progress", sa.BigInteger(), nullable=False),
        sa.Column("paused", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=False),
        sa.Column("escalated", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("claims", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_task_counts_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("pipeline_id", "slot", name=op.f("pk_task_counts")),
    )
    op.create_table(
        "announcements",
        sa.Column("pipeline_id", _BIG_ID, nullable=False),
        sa.Column("claims", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=False),
        sa.Column("completed", sa.BigInteger(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_announcements_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("pipeline_id", name=op.f("pk_announcements")),
    )
    op.execute(
        "INSERT INTO task_counts (pipeline_id, slot, pending, in_progress, paused, finished,"
        " escalated, quarantined, failed, claims)"
        " SELECT pipeline_id, 0,"
        " SUM(CASE WHEN status = 'pending' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN status = 'in_progress' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN status = 'paused' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN status = 'finished' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN status = 'escalated' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN status = 'quarantined' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END),"
        " 0 FROM tasks GROUP BY pipeline_id"
    )
