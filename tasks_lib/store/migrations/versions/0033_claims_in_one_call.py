"""Claim tasks in a function, whose statements PostgreSQL plans once for each connection.

Planning one large statement took as long as running it. A plan that is kept must also be right for a
table that grows afterwards, so the function allows only plans that use an index.
"""

from alembic import op

revision = "0033"
down_revision = "0032"

_QUEUE = "(SELECT {} FROM task_queues WHERE pipeline_id = pipeline)"
_CLAIM = f"""
    CREATE FUNCTION seeding_claim(pipeline bigint, contributor text, moment timestamptz)
    RETURNS TABLE (
        id bigint, pipeline_id bigint, group_id bigint, "row" bigint, status text,
        predefined text, filled_in text, origin_id bigint, claimed_by text,
        claimed_at timestamptz, claim_expires_at timestamptz, finished_at timestamptz,
        kind text, source text, created_at timestamptz, version integer, chain_id bigint
    )
    LANGUAGE plpgsql VOLATILE ROWS 1
    SET search_path FROM CURRENT
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET enable_bitmapscan = off
    SET enable_sort = off
    AS $$
    #variable_conflict use_column
    DECLARE
        seconds integer;
        task record;
    BEGIN
        IF seeding_begin_claim(pipeline) IS NOT TRUE THEN
            RETURN;
        END IF;
        SELECT claim_timeout_seconds INTO seconds FROM pipelines WHERE id = pipeline;
        UPDATE tasks SET status = 'in_progress', claimed_by = contributor, claimed_at = moment,
            claim_expires_at = moment + make_interval(secs => seconds)
        WHERE id = (
            SELECT id FROM tasks
            WHERE (pipeline_id, status, id)
                    >= (pipeline, 'pending', coalesce({_QUEUE.format("first_id")}, 0))
                AND (pipeline_id, status, id) <= (pipeline, 'pending', {2**63 - 1})
            ORDER BY pipeline_id, status, id LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING * INTO task;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        INSERT INTO task_moves (task_id, move, from_status, to_status, "by", at)
        VALUES (task.id, 'claim', 'pending', 'in_progress', contributor, moment);
        INSERT INTO task_counts AS counts (
            pipeline_id, slot, group_id, pending, in_progress, paused, finished, escalated,
            quarantined, failed, withdrawn, claims
        ) VALUES (
            pipeline,
            (coalesce({_QUEUE.format("generation")}, 0) << 22) | pg_backend_pid(),
            task.group_id, -1, 1, 0, 0, 0, 0, 0, 0, 1
        )
        ON CONFLICT (pipeline_id, slot, group_id) DO UPDATE SET pending = counts.pending - 1,
            in_progress = counts.in_progress + 1, claims = counts.claims + 1;
        RETURN QUERY SELECT task.id, task.pipeline_id, task.group_id, task.row, task.status,
            task.predefined::text, task.filled_in::text, task.origin_id, task.claimed_by,
            task.claimed_at, task.claim_expires_at, task.finished_at, g.kind, g.source,
            g.created_at, NULL::integer, g.chain_id
        FROM task_groups g WHERE g.id = task.group_id;
    END $$
"""  # noqa: S608 - our own names
"""One snapshot shows where the queue begins and which tasks are pending: a task that is released
meanwhile is either before the beginning that was read, or not pending yet."""


def upgrade() -> None:
    """Create the function."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_CLAIM)
