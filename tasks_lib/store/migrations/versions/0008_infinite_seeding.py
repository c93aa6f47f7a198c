"""Infinite seedings, the tasks that they copy, and the lease of the sensor.

On PostgreSQL a trigger notifies the sensor when a pipeline with infinite seeding has fewer tasks to
claim; other pipelines pay for an index look-up. SQLite is polled instead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)

_FUNCTION = """
    CREATE FUNCTION seeding_tell_of_claims() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('seeding_claims', '') FROM infinite_seedings
        WHERE pipeline_id = NEW.pipeline_id AND is_enabled;
        RETURN NULL;
    END $$
"""
_ON_UPDATE = """
    CREATE TRIGGER seeding_fewer_available AFTER UPDATE ON task_counts
    FOR EACH ROW WHEN (NEW.pending < OLD.pending) EXECUTE FUNCTION seeding_tell_of_claims()
"""
_ON_INSERT = """
    CREATE TRIGGER seeding_first_claim AFTER INSERT ON task_counts
    FOR EACH ROW WHEN (NEW.pending < 0) EXECUTE FUNCTION seeding_tell_of_claims()
"""


def upgrade() -> None:
    """Create the tables, and on PostgreSQL the trigger."""
    op.create_table(
        "infinite_seedings",
        sa.Column("pipeline_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("keep_available", sa.BigInteger(), nullable=False),
        sa.Column("target", sa.BigInteger(), nullable=True),
        sa.Column("group_id", _BIG_ID, nullable=True),
        sa.Column("copied_groups", sa.JSON(), nullable=False),
        sa.Column("source_count", sa.BigInteger(), nullable=False),
        sa.Column("fields_sha256", sa.Text(), nullable=False),
        sa.Column("enabled_at", _MOMENT, nullable=False),
        sa.Column("reached_at", _MOMENT, nullable=True),
        sa.Column("reached_told", sa.Boolean(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.CheckConstraint("keep_available > 0", name=op.f("ck_infinite_seedings_keep_available")),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_infinite_seedings_pipeline_id")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["task_groups.id"], name=op.f("fk_infinite_seedings_group_id")
        ),
        sa.PrimaryKeyConstraint("pipeline_id", name=op.f("pk_infinite_seedings")),
    )
    op.create_table(
        "infinite_sources",
        sa.Column("pipeline_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("position", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("task_id", _BIG_ID, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline_id"],
            ["infinite_seedings.pipeline_id"],
            name=op.f("fk_infinite_sources_pipeline_id"),
        ),
        sa.PrimaryKeyConstraint("pipeline_id", "position", name=op.f("pk_infinite_sources")),
    )
    op.create_table(
        "sensors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("history", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sensors")),
    )
    if op.get_bind().dialect.name == "postgresql":
        for statement in (_FUNCTION, _ON_UPDATE, _ON_INSERT):
            op.execute(statement)
