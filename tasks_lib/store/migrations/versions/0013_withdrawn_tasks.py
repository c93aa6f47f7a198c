"""The status ``withdrawn``: the constraint allows it, and the counts have a column for it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_OLD = "'quarantined', 'failed')"
_NEW = "'quarantined', 'failed', 'withdrawn')"
_STATUSES = "'pending', 'in_progress', 'paused', 'finished', 'escalated', " + _NEW


def upgrade() -> None:
    """Add the column, and let tasks have the status."""
    op.add_column(
        "task_counts",
        sa.Column("withdrawn", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_tasks_status"), "tasks")
        op.create_check_constraint(op.f("ck_tasks_status"), "tasks", f"status IN ({_STATUSES}")
    else:
        _widen_on_sqlite()


def _widen_on_sqlite() -> None:
    """Change the text of the constraint, as https://sqlite.org/lang_altertable.html describes.

    SQLite cannot alter a constraint. Copying the table would take long for millions of tasks, and
    other tables refer to it. The new constraint holds for all rows that the old one held for.
    """
    connection = op.get_bind()
    version = connection.scalar(sa.text("PRAGMA schema_version"))
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    changed = connection.execute(
        sa.text(
            "UPDATE sqlite_schema SET sql = replace(sql, :old, :new)"
            " WHERE type = 'table' AND name = 'tasks' AND instr(sql, :old) > 0"
        ),
        {"old": _OLD, "new": _NEW},
    )
    if changed.rowcount != 1:
        raise RuntimeError("the table tasks has no constraint ck_tasks_status to widen")
    connection.execute(sa.text(f"PRAGMA schema_version = {int(version or 0) + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
