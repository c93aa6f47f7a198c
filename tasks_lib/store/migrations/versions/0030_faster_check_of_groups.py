"""Check the groups of new tasks by one comparison when all are of one group (PostgreSQL)."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_CHECK_GROUPS = """
    CREATE OR REPLACE FUNCTION seeding_check_groups() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
        least_group bigint;
        last_group bigint;
        least_pipeline bigint;
        last_pipeline bigint;
        pair record;
    BEGIN
        SELECT min(group_id), max(group_id), min(pipeline_id), max(pipeline_id)
        INTO least_group, last_group, least_pipeline, last_pipeline FROM added;
        FOR pair IN
            SELECT least_group AS group_id, least_pipeline AS pipeline_id
            WHERE least_group = last_group AND least_pipeline = last_pipeline
            UNION ALL
            (SELECT DISTINCT group_id, pipeline_id FROM added
             WHERE least_group < last_group OR least_pipeline < last_pipeline ORDER BY 1, 2)
        LOOP
            PERFORM FROM task_groups
            WHERE id = pair.group_id AND pipeline_id = pair.pipeline_id FOR KEY SHARE;
            IF NOT FOUND THEN
                RAISE foreign_key_violation USING
                    MESSAGE = format('a task refers to group %s of pipeline %s, which does not exist'
                        ' (fk_tasks_group_id_pipeline_id)', pair.group_id, pair.pipeline_id),
                    CONSTRAINT = 'fk_tasks_group_id_pipeline_id', TABLE = 'tasks';
            END IF;
        END LOOP;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    """Replace the trigger's function; a store's tasks are not read again."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(_CHECK_GROUPS)
