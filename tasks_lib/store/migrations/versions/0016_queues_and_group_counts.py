"""Where the queue of each pipeline begins, and the counts of each group by status.

On PostgreSQL a row that many transactions change leaves dead versions, and a claimed task a dead
entry in the index. While an old transaction is open they cannot be removed, and each claim walks
over them. So ``task_queues`` says from which task on a claim needs to look, and ``task_counts`` is
written in fresh rows after some hundred claims; ``seeding_tend_queue`` does both.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STATUSES = (
    "pending", "in_progress", "paused", "finished", "escalated", "quarantined", "failed",
    "withdrawn",
)  # fmt: skip
_NAMES = ", ".join(_STATUSES)
_SUMS = ", ".join(f"sum({name})" for name in _STATUSES)
_ADDED = "{0} = {1}.{0} + excluded.{0}"
_TO_GROUPS = ", ".join(_ADDED.format(name, "group_counts") for name in _STATUSES)
_TO_PIPELINES = ", ".join(_ADDED.format(name, "task_counts") for name in (*_STATUSES, "claims"))

_LOCK = "(1936024421, (pipeline % 2147483647)::integer)"
_REOPEN_QUEUE = f"""
    CREATE FUNCTION seeding_reopen_queue(pipeline bigint, task bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared{_LOCK};
        UPDATE task_queues SET first_id = task WHERE pipeline_id = pipeline AND first_id > task;
        RETURN FOUND;
    END $$
"""  # noqa: S608
_TEND_QUEUE = f"""
    CREATE FUNCTION seeding_tend_queue(pipeline bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE AS $$
    DECLARE
        known bigint;
        number bigint;
        next bigint;
        oldest_slot bigint := 1;
    BEGIN
        IF NOT pg_try_advisory_xact_lock{_LOCK} THEN
            RETURN false;
        END IF;
        SELECT first_id, generation INTO known, number FROM task_queues
        WHERE pipeline_id = pipeline;
        IF number % 64 <> 0 THEN
            oldest_slot := greatest((number - 1) << 22, 1);
        END IF;
        SELECT last_value INTO next FROM tasks_id_seq;
        SELECT coalesce(min(id), next) INTO next FROM (
            SELECT id FROM tasks
            WHERE (pipeline_id, status, id) >= (pipeline, 'pending', coalesce(known, 0))
                AND (pipeline_id, status, id) <= (pipeline, 'pending', {2**63 - 1})
            ORDER BY pipeline_id, status, id LIMIT 1
        ) AS oldest;
        INSERT INTO task_queues (pipeline_id, first_id, generation) VALUES (pipeline, next, 1)
        ON CONFLICT (pipeline_id) DO UPDATE
        SET first_id = excluded.first_id, generation = task_queues.generation + 1;
        WITH picked AS (
            SELECT slot, group_id FROM task_counts
            WHERE pipeline_id = pipeline AND slot >= oldest_slot FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM task_counts AS c USING picked
            WHERE c.pipeline_id = pipeline AND (c.slot, c.group_id) = (picked.slot, picked.group_id)
            RETURNING c.*
        ), of_groups AS (
            INSERT INTO group_counts (group_id, {_NAMES})
            SELECT group_id, {_SUMS} FROM gone WHERE group_id > 0 GROUP BY group_id
            ON CONFLICT (group_id) DO UPDATE SET {_TO_GROUPS}
        )
        INSERT INTO task_counts (pipeline_id, slot, group_id, {_NAMES}, claims)
        SELECT pipeline, 0, 0, {_SUMS}, sum(claims) FROM gone HAVING count(*) > 0
        ON CONFLICT (pipeline_id, slot, group_id) DO UPDATE SET {_TO_PIPELINES};
        RETURN true;
    END $$
"""  # noqa: S608
"""The lock keeps tasks from becoming available unseen: ``seeding_reopen_queue`` waits for it.

Only the rows of the last two generations are added up, so that those deleted before are not walked
over, and each 64th time also what transactions that took long have left in older ones.
"""


def upgrade() -> None:
    """Create the tables, count the tasks of each group, and on PostgreSQL create the functions."""
    op.create_table(
        "task_queues",
        sa.Column("pipeline_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name=op.f("fk_task_queues_pipeline_id")
        ),
        sa.PrimaryKeyConstraint("pipeline_id", name=op.f("pk_task_queues")),
    )
    op.create_table(
        "group_counts",
        sa.Column("group_id", _BIG_ID, autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
            for name in _STATUSES
        ),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_group_counts")),
    )
    filters = ", ".join(f"count(*) FILTER (WHERE status = '{name}')" for name in _STATUSES)
    op.execute(
        f"INSERT INTO group_counts (group_id, {_NAMES}) SELECT group_id, {filters}"  # noqa: S608
        " FROM tasks GROUP BY group_id"
    )
    op.rename_table("task_counts", "old_task_counts")
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE old_task_counts RENAME CONSTRAINT pk_task_counts TO pk_old_counts")
    op.create_table(
        "task_counts",
        sa.Column("pipeline_id", _BIG_ID, autoincrement=False, nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "group_id",
            sa.BigInteger(),
            autoincrement=False,
            server_default=sa.text("0"),
            nullable=False,
        ),
        *(
            sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
            for name in (*_STATUSES, "claims")
        ),
        sa.PrimaryKeyConstraint("pipeline_id", "slot", "group_id", name=op.f("pk_task_counts")),
    )
    op.execute(
        f"INSERT INTO task_counts (pipeline_id, slot, group_id, {_NAMES}, claims)"  # noqa: S608
        f" SELECT pipeline_id, 0, 0, {_SUMS}, sum(claims) FROM old_task_counts GROUP BY pipeline_id"
    )
    op.drop_table("old_task_counts")
    if op.get_context().dialect.name == "postgresql":
        _create_functions()


def _create_functions() -> None:
    """Create the functions, and the triggers that were dropped with the table, see 0008."""
    for statement in (
        _REOPEN_QUEUE,
        _TEND_QUEUE,
        "CREATE TRIGGER seeding_fewer_available AFTER UPDATE ON task_counts FOR EACH ROW"
        " WHEN (NEW.pending < OLD.pending) EXECUTE FUNCTION seeding_tell_of_claims()",
        "CREATE TRIGGER seeding_first_claim AFTER INSERT ON task_counts FOR EACH ROW"
        " WHEN (NEW.pending < 0) EXECUTE FUNCTION seeding_tell_of_claims()",
    ):
        op.execute(statement)
