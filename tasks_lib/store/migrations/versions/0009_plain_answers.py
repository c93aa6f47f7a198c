"""Kept answers as they are: to compress the ids of thousands of tasks costs more than the space."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Have PostgreSQL store them uncompressed; SQLite compresses nothing."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE idempotent_answers ALTER COLUMN body SET STORAGE EXTERNAL")
