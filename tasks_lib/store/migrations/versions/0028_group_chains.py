"""The trigger ``group-completion`` of chains: the constraint allows it."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

_OLD = "'task-completion', 'pipeline-completion')"
_NEW = "'task-completion', 'group-completion', 'pipeline-completion')"


def upgrade() -> None:
    """Let chains have the trigger."""
    if op.get_context().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_chains_trigger"), "chains")
        op.create_check_constraint(op.f("ck_chains_trigger"), "chains", f'"trigger" IN ({_NEW}')
    else:
        _widen_on_sqlite()


def _widen_on_sqlite() -> None:
    """Change the text of the constraint, as https://sqlite.org/lang_altertable.html describes.

    SQLite cannot alter a constraint, and other tables refer to this one. The new constraint holds
    for all rows that the old one held for.
    """
    connection = op.get_bind()
    version = connection.scalar(sa.text("PRAGMA schema_version"))
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    changed = connection.execute(
        sa.text(
            "UPDATE sqlite_schema SET sql = replace(sql, :old, :new)"
            " WHERE type = 'table' AND name = 'chains' AND instr(sql, :old) > 0"
        ),
        {"old": _OLD, "new": _NEW},
    )
    if changed.rowcount != 1:
        raise RuntimeError("the table chains has no constraint ck_chains_trigger to widen")
    connection.execute(sa.text(f"PRAGMA schema_version = {int(version or 0) + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
