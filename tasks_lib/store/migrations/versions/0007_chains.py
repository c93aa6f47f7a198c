"""Chains, and the inboxes of finished tasks that wait for them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables, and the column with which a group refers to its chain."""
    op.add_column("task_groups", sa.Column("chain_id", _BIG_ID, nullable=True))
    op.create_table(
        "chains",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", _BIG_ID, nullable=False),
        sa.Column("source_pipeline_id", _BIG_ID, nullable=False),
        sa.Column("target_pipeline_id", _BIG_ID, nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False, quote=True),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("skip", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("plan_sha256", sa.Text(), nullable=True),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("automation_id", sa.Text(), nullable=True),
        sa.Column("automation_enabled", sa.Boolean(), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("looked_at", _MOMENT, nullable=True),
        sa.Column("fired_at", _MOMENT, nullable=True),
        sa.Column("failed_at", _MOMENT, nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "source_pipeline_id <> target_pipeline_id", name=op.f("ck_chains_two_pipelines")
        ),
        sa.CheckConstraint(
            "\"trigger\" IN ('task-completion', 'pipeline-completion')",
            name=op.f("ck_chains_trigger"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_chains_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["source_pipeline_id"], ["pipelines.id"], name=op.f("fk_chains_source_pipeline_id")
        ),
        sa.ForeignKeyConstraint(
            ["target_pipeline_id"], ["pipelines.id"], name=op.f("fk_chains_target_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chains")),
        sa.UniqueConstraint(
            "source_pipeline_id",
            "target_pipeline_id",
            "trigger",
            name=op.f("uq_chains_source_pipeline_id_target_pipeline_id_trigger"),
        ),
    )
    op.create_index(op.f("ix_chains_organization_id"), "chains", ["organization_id"], unique=False)
    op.create_table(
        "chain_inbox",
        sa.Column("chain_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("task_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("finished_at", _MOMENT, nullable=False),
        sa.Column("tried_at", _MOMENT, nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_chain_inbox_task_id")),
        sa.PrimaryKeyConstraint("chain_id", "task_id", name=op.f("pk_chain_inbox")),
    )
