"""Derive that a task is paused from its pipeline, instead of changing each task.

A waiting task of a paused pipeline is stored as pending. Tasks that earlier releases have paused
with their pipeline are stored so again, which takes about 20 seconds for each million of them.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

_NOT_HANDING_OUT = "pipeline_id IN (SELECT id FROM pipelines WHERE status NOT IN {})"
_KEPT = "('active', 'completed')"
"""Earlier releases resumed all tasks of these pipelines."""

_BEGIN_CLAIM = """
    CREATE FUNCTION seeding_begin_claim(pipeline bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(1936024420, (pipeline % 2147483647)::integer);
        RETURN (SELECT status = 'active' FROM pipelines WHERE id = pipeline);
    END $$
"""
"""Each statement of a function that is volatile sees what was committed before it: the status is
read after the lock is held. A change of it waits for the lock, see ``wait_for_claims``."""


def upgrade() -> None:
    """Store the tasks that are paused with their pipeline as pending."""
    home = _NOT_HANDING_OUT.format(_KEPT)
    op.execute(f"UPDATE tasks SET status = 'pending' WHERE status = 'paused' AND {home}")  # noqa: S608
    op.execute(
        f"UPDATE task_counts SET pending = pending + paused, paused = 0 WHERE {home}"  # noqa: S608
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute(_BEGIN_CLAIM)
