"""The first release: pipelines with their fields, task groups, tasks, and the reports of runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON_TEXT = sa.Text().with_variant(postgresql.JSON(), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "organizations",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("name", name=op.f("uq_organizations_name")),
    )
    op.create_table(
        "projects",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", _BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_projects_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint(
            "organization_id", "name", name=op.f("uq_projects_organization_id_name")
        ),
    )
    op.create_table(
        "pipelines",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("project_id", _BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("claim_timeout_seconds", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "status IN ('draft', 'active', 'paused', 'completed', 'archived')",
            name=op.f("ck_pipelines_status"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_pipelines_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pipelines")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_pipelines_project_id_name")),
    )
    op.create_table(
        "fields",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("pipeline_id", _BIG_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("constraints", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_fields_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fields")),
        sa.UniqueConstraint("pipeline_id", "name", name=op.f("uq_fields_pipeline_id_name")),
        sa.UniqueConstraint("pipeline_id", "position", name=op.f("uq_fields_pipeline_id_position")),
    )
    op.create_table(
        "task_groups",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("pipeline_id", _BIG_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("seed_key", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("task_count", sa.BigInteger(), nullable=False),
        sa.Column("rejected_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_task_groups_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_groups")),
        sa.UniqueConstraint("id", "pipeline_id", name=op.f("uq_task_groups_id_pipeline_id")),
        sa.UniqueConstraint(
            "pipeline_id", "seed_key", name=op.f("uq_task_groups_pipeline_id_seed_key")
        ),
    )
    op.create_table(
        "seeding_runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("pipeline_id", _BIG_ID, nullable=False),
        sa.Column("group_id", _BIG_ID, nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["task_groups.id"], name=op.f("fk_seeding_runs_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_seeding_runs_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seeding_runs")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", _BIG_ID, sa.Identity(always=True), nullable=False),
        sa.Column("pipeline_id", _BIG_ID, nullable=False),
        sa.Column("group_id", _BIG_ID, nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("predefined", _JSON_TEXT, nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'in_progress', 'paused', 'finished', 'escalated', 'quarantined', 'failed')",
            name=op.f("ck_tasks_status"),
        ),
        sa.ForeignKeyConstraint(
            ["group_id", "pipeline_id"],
            ["task_groups.id", "task_groups.pipeline_id"],
            name=op.f("fk_tasks_group_id_pipeline_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("group_id", "row", name=op.f("uq_tasks_group_id_row")),
    )
    op.create_index(
        op.f("ix_tasks_pipeline_id_status_id"),
        "tasks",
        ["pipeline_id", "status", "id"],
        unique=False,
    )
