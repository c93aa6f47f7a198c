"""A column type of PostgreSQL, in a module that SQLite does not load."""

from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql


class PostgresJsonText(postgresql.JSON):
    """``json`` without conversion when writing or reading."""

    def bind_processor(self, dialect: Dialect) -> None:
        """Write the text unchanged."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Read the text unchanged."""
