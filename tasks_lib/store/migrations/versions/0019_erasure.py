"""Erased tasks, and the salt of an organization's pseudonyms."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the columns; nothing was erased before."""
    op.add_column("tasks", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("organizations", sa.Column("pseudonym_salt", sa.Text(), nullable=True))
