"""The columns that filled the fields in the last seeding of a stream."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column; of earlier seedings it is not known."""
    op.add_column("streams", sa.Column("filled_from", sa.JSON(), nullable=True))
