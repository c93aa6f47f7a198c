"""Up to where an export has copied files, and the declared exports that copy them."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Add the columns."""
    op.add_column(
        "result_exports",
        sa.Column("files_until", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.add_column(
        "declared_results",
        sa.Column("with_files", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
