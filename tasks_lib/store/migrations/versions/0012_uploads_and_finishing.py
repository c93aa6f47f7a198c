"""Options of uploads, and the order in which tasks were finished."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_NUMBER_ALL = """
    UPDATE tasks SET finish_number = numbered.number FROM (
        SELECT id, row_number() OVER (ORDER BY finished_at, id) AS number
        FROM tasks WHERE status = 'finished'
    ) AS numbered WHERE numbered.id = tasks.id
    """


def upgrade() -> None:
    """Add the columns, and number the tasks that are finished."""
    op.add_column("uploads", sa.Column("options", sa.JSON(), nullable=True))
    op.add_column("tasks", sa.Column("finish_number", sa.BigInteger(), nullable=True))
    op.execute(_NUMBER_ALL)
    op.create_index(
        "ix_tasks_finish_number",
        "tasks",
        ["pipeline_id", "finish_number"],
        postgresql_where=sa.text("finish_number IS NOT NULL"),
        sqlite_where=sa.text("finish_number IS NOT NULL"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE task_finish_numbers")
        op.execute(
            "SELECT setval('task_finish_numbers', coalesce(max(finish_number), 0) + 1) FROM tasks"
        )
