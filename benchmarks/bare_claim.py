"""The bare claim: one statement over psycopg, which picks, moves, records and counts a task.

People who write a queue themselves write this. It was also the product's claim, until a function of
the database took its place; claims are compared with it.
"""

from typing import Final

BARE_CLAIM: Final = b"""
    WITH home AS (
        SELECT claim_timeout_seconds, seeding_begin_claim(id) AS is_active
        FROM pipelines WHERE id = %(pipeline_id)s
    ), picked AS (
        SELECT id FROM tasks
        WHERE (SELECT is_active FROM home)
            AND (pipeline_id, status, id) >= (%(pipeline_id)s, 'pending', coalesce(
                (SELECT first_id FROM task_queues WHERE pipeline_id = %(pipeline_id)s), 0))
            AND (pipeline_id, status, id) <= (%(pipeline_id)s, 'pending', 9223372036854775807)
        ORDER BY pipeline_id, status, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), moved AS (
        UPDATE tasks SET status = 'in_progress', claimed_by = %(by)s, claimed_at = %(at)s,
            claim_expires_at = CAST(%(at)s AS timestamptz)
                + make_interval(secs => home.claim_timeout_seconds)
        FROM picked, home WHERE tasks.id = picked.id RETURNING tasks.id, tasks.group_id
    ), noted AS (
        INSERT INTO task_moves (task_id, move, from_status, to_status, "by", at)
        SELECT id, 'claim', 'pending', 'in_progress', %(by)s, %(at)s FROM moved
    ), counted AS (
        INSERT INTO task_counts AS counts (
            pipeline_id, slot, group_id, pending, in_progress, paused, finished, escalated,
            quarantined, failed, withdrawn, claims
        )
        SELECT %(pipeline_id)s, (coalesce(
                (SELECT generation FROM task_queues WHERE pipeline_id = %(pipeline_id)s), 0
            ) << 22) | pg_backend_pid(),
            group_id, -count(*), count(*), 0, 0, 0, 0, 0, 0, count(*) FROM moved GROUP BY group_id
        ON CONFLICT (pipeline_id, slot, group_id) DO UPDATE SET
            pending = counts.pending + excluded.pending,
            in_progress = counts.in_progress + excluded.in_progress,
            claims = counts.claims + excluded.claims
    )
    SELECT id FROM moved
"""
"""The parameters are ``pipeline_id``, ``limit``, ``by`` and ``at``."""
