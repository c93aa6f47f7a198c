"""Check the groups of new tasks once for each statement instead of once for each row.

The foreign key of PostgreSQL looks up the group of each task, which takes two fifths of a load's
time. Triggers give the same guarantee: a statement that inserts tasks locks their groups against
deletion, and a group that has tasks is neither deleted nor renumbered. SQLite keeps its key.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

_CHECK_GROUPS = """
    CREATE FUNCTION seeding_check_groups() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
        pair record;
    BEGIN
        FOR pair IN SELECT DISTINCT group_id, pipeline_id FROM added ORDER BY 1, 2 LOOP
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
_CHECK_GROUP = """
    CREATE FUNCTION seeding_check_group() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        PERFORM FROM task_groups
        WHERE id = NEW.group_id AND pipeline_id = NEW.pipeline_id FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE foreign_key_violation USING
                MESSAGE = format('a task refers to group %s of pipeline %s, which does not exist'
                    ' (fk_tasks_group_id_pipeline_id)', NEW.group_id, NEW.pipeline_id),
                CONSTRAINT = 'fk_tasks_group_id_pipeline_id', TABLE = 'tasks';
        END IF;
        RETURN NULL;
    END $$
"""
_KEEP_GROUP = """
    CREATE FUNCTION seeding_keep_group() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND (OLD.id, OLD.pipeline_id) = (NEW.id, NEW.pipeline_id) THEN
            RETURN NULL;
        END IF;
        IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
            RAISE feature_not_supported USING
                MESSAGE = 'a transaction that keeps its snapshot cannot see the tasks that others'
                    ' have added to a group; delete groups in one that is READ COMMITTED';
        END IF;
        IF EXISTS (SELECT FROM tasks WHERE group_id = OLD.id AND pipeline_id = OLD.pipeline_id) THEN
            RAISE foreign_key_violation USING
                MESSAGE = format('group %s of pipeline %s has tasks (fk_tasks_group_id_pipeline_id)',
                    OLD.id, OLD.pipeline_id),
                CONSTRAINT = 'fk_tasks_group_id_pipeline_id', TABLE = 'task_groups';
        END IF;
        RETURN NULL;
    END $$
"""
_KEEP_GROUPS = """
    CREATE FUNCTION seeding_keep_groups() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF EXISTS (SELECT FROM tasks) THEN
            RAISE foreign_key_violation USING
                MESSAGE = 'there are groups that have tasks (fk_tasks_group_id_pipeline_id)',
                CONSTRAINT = 'fk_tasks_group_id_pipeline_id', TABLE = 'task_groups';
        END IF;
        RETURN NULL;
    END $$
"""
_TRIGGERS = (
    "CREATE TRIGGER seeding_check_groups AFTER INSERT ON tasks REFERENCING NEW TABLE AS added"
    " FOR EACH STATEMENT EXECUTE FUNCTION seeding_check_groups()",
    "CREATE TRIGGER seeding_check_group AFTER UPDATE OF group_id, pipeline_id ON tasks"
    " FOR EACH ROW EXECUTE FUNCTION seeding_check_group()",
    "CREATE TRIGGER seeding_keep_group AFTER DELETE OR UPDATE OF id, pipeline_id ON task_groups"
    " FOR EACH ROW EXECUTE FUNCTION seeding_keep_group()",
    "CREATE TRIGGER seeding_keep_groups AFTER TRUNCATE ON task_groups"
    " FOR EACH STATEMENT EXECUTE FUNCTION seeding_keep_groups()",
)


def upgrade() -> None:
    """Replace the foreign key by triggers on PostgreSQL, while no other transaction writes."""
    if op.get_context().dialect.name != "postgresql":
        return
    for statement in (_CHECK_GROUPS, _CHECK_GROUP, _KEEP_GROUP, _KEEP_GROUPS, *_TRIGGERS):
        op.execute(statement)
    op.drop_constraint("fk_tasks_group_id_pipeline_id", "tasks", type_="foreignkey")
