"""The names and labels of groups, and of the runs that create them."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the columns."""
    for table in ("task_groups", "seeding_runs"):
        op.add_column(table, sa.Column("name", sa.Text(), nullable=True))
        op.add_column(
            table,
            sa.Column("labels", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        )
