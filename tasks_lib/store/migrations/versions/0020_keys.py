"""The keys of pipelines and tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns; no pipeline has a key yet, so the index is empty."""
    op.add_column(
        "pipelines", sa.Column("key", sa.JSON(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.add_column("tasks", sa.Column("key", _TEXT, nullable=True))
    op.create_index(
        "uq_tasks_pipeline_id_key",
        "tasks",
        ["pipeline_id", "key"],
        unique=True,
        postgresql_where=sa.text("key IS NOT NULL"),
        sqlite_where=sa.text("key IS NOT NULL"),
    )
