"""Pending announcements of reports and of failed chains, and the most rejected rows of an upload."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns; earlier reports count as announced."""
    op.add_column("seeding_runs", sa.Column("run_url", sa.Text(), nullable=True))
    op.add_column("seeding_runs", sa.Column("announce_at", _MOMENT, nullable=True))
    op.create_index(
        "ix_seeding_runs_announce_at",
        "seeding_runs",
        ["announce_at"],
        postgresql_where=sa.text("announce_at IS NOT NULL"),
        sqlite_where=sa.text("announce_at IS NOT NULL"),
    )
    op.add_column("chains", sa.Column("announced_failure_at", _MOMENT, nullable=True))
    op.add_column("uploads", sa.Column("max_rejected", sa.Text(), nullable=True))
