"""Retention, the keys of deleted tasks, and numbers that SQLite never gives twice."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBERED = ("pipelines", "task_groups", "tasks", "chains", "datasets", "dataset_rows")


def upgrade() -> None:
    """Add the columns and tables; nothing is deleted until a catalogue declares a retention."""
    op.add_column(
        "pipelines",
        sa.Column("retention", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column(
        "task_groups",
        sa.Column("expired_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "task_groups",
        sa.Column("has_stale_files", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index(
        "ix_task_groups_stale_files",
        "task_groups",
        ["id"],
        postgresql_where=sa.text("has_stale_files"),
        sqlite_where=sa.text("has_stale_files"),
    )
    op.create_index(op.f("ix_chain_inbox_task_id"), "chain_inbox", ["task_id"], unique=False)
    op.create_table(
        "retired_keys",
        sa.Column("pipeline_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("key", _KEY, nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_retired_keys_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("pipeline_id", "key", name=op.f("pk_retired_keys")),
    )
    op.create_table(
        "retentions",
        sa.Column("pipeline_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn", sa.BigInteger(), nullable=False),
        sa.Column("unrecorded_finished", sa.BigInteger(), nullable=False),
        sa.Column("unrecorded_withdrawn", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_retentions_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("pipeline_id", name=op.f("pk_retentions")),
    )
    if op.get_context().dialect.name == "sqlite":
        _number_once_on_sqlite()


def _number_once_on_sqlite() -> None:
    """Let no deleted row's number be given again, as on PostgreSQL.

    SQLite cannot alter a primary key, and copying the tables would take long, so the text of the
    schema is changed, as https://sqlite.org/lang_altertable.html describes. AUTOINCREMENT changes
    nothing about stored rows; the largest number so far is in the table ``sqlite_sequence``, which
    SQLite creates with the first table that needs it.
    """
    connection = op.get_bind()
    connection.execute(sa.text("CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT)"))
    connection.execute(sa.text("DROP TABLE numbered"))
    version = connection.scalar(sa.text("PRAGMA schema_version"))
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    for table in _NUMBERED:
        changed = connection.execute(
            sa.text(
                "UPDATE sqlite_schema SET sql = replace(sql, 'PRIMARY KEY (id)',"
                " 'PRIMARY KEY (id AUTOINCREMENT)') WHERE type = 'table' AND name = :table"
                " AND instr(sql, 'PRIMARY KEY (id)') > 0"
            ),
            {"table": table},
        )
        if changed.rowcount != 1:
            raise RuntimeError(f"the table {table} has no primary key to change")
        connection.execute(
            sa.text(
                "INSERT INTO sqlite_sequence (name, seq)"  # noqa: S608 - our own names
                f" SELECT '{table}', max(id) FROM {table} HAVING count(*) > 0"
            )
        )
    connection.execute(sa.text(f"PRAGMA schema_version = {int(version or 0) + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
