"""Stored answers, uncompressed: compressing thousands of task ids costs more than the space."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Let PostgreSQL store them uncompressed; SQLite never compresses."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE idempotent_answers ALTER COLUMN body SET STORAGE EXTERNAL")
