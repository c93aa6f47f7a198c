"""When a group has finished, and whether that was announced."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

_STATUSES = (
    "pending", "in_progress", "paused", "finished", "escalated", "quarantined", "failed",
    "withdrawn",
)  # fmt: skip
_NAMES = ", ".join(_STATUSES)
_LEFT = " + ".join(name for name in _STATUSES if name not in {"finished", "withdrawn"})
_UNSETTLED = (
    f"({_LEFT} = 0 AND finished + withdrawn > 0 AND completed IS NULL)"
    f" OR (completed IS NOT NULL AND ({_LEFT} > 0 OR finished <> completed))"
)
_SUMS = " + ".join(f"sum({name})" for name in _STATUSES if name not in {"finished", "withdrawn"})
_FINISHED = f"""
    SELECT group_id, sum(finished) AS finished FROM (
        SELECT group_id, {_NAMES} FROM group_counts
        UNION ALL SELECT group_id, {_NAMES} FROM task_counts WHERE group_id > 0
    ) AS numbers
    GROUP BY group_id HAVING {_SUMS} = 0 AND sum(finished) + sum(withdrawn) > 0
"""  # noqa: S608 - our own names


def upgrade() -> None:
    """Add the columns; groups that have finished before are not announced."""
    op.add_column("group_counts", sa.Column("completed", sa.BigInteger(), nullable=True))
    op.add_column(
        "task_groups", sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "task_groups", sa.Column("announce_finish_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.execute(
        f"WITH done AS ({_FINISHED}) UPDATE group_counts SET completed ="  # noqa: S608
        " (SELECT finished FROM done WHERE done.group_id = group_counts.group_id)"
        " WHERE group_id IN (SELECT group_id FROM done)"
    )
    op.execute(
        "UPDATE task_groups SET finished_at = coalesce("
        "(SELECT max(tasks.finished_at) FROM tasks WHERE tasks.group_id = task_groups.id),"
        " created_at) WHERE id IN"
        " (SELECT group_id FROM group_counts WHERE completed IS NOT NULL)"
    )
    op.create_index(
        op.f("ix_group_counts_unsettled"),
        "group_counts",
        ["group_id"],
        postgresql_where=sa.text(_UNSETTLED),
        sqlite_where=sa.text(_UNSETTLED),
    )
    op.create_index(
        op.f("ix_task_groups_announce_finish_at"),
        "task_groups",
        ["announce_finish_at"],
        postgresql_where=sa.text("announce_finish_at IS NOT NULL"),
        sqlite_where=sa.text("announce_finish_at IS NOT NULL"),
    )
