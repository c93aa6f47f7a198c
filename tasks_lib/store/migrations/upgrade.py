"""Run the migrations on a connection whose transaction the caller owns."""

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from tasks_lib.store.tables.base import Table


def scripts() -> ScriptDirectory:
    """Return the revisions that this release ships."""
    return ScriptDirectory(str(Path(__file__).parent))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Upgrade the database to ``revision``; does nothing if it has that revision."""
    script = scripts()
    context = MigrationContext.configure(
        connection,
        opts={
            "target_metadata": Table.metadata,
            "transaction_per_migration": False,
            "fn": lambda current, _: script._upgrade_revs(revision, current),  # noqa: SLF001
        },
    )
    with Operations.context(context):
        context.run_migrations()
