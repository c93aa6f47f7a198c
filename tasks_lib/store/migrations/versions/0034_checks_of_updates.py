"""Check the tasks and groups of recorded updates once for each statement.

The foreign keys of PostgreSQL look up the task and the group of each row, a fifth of the time of an
update. Triggers give the same guarantee: a statement that records updates locks their tasks and
groups against deletion, a group that has updates is not deleted, and the updates of a task are
deleted with it. SQLite keeps its keys.
"""

from alembic import op

revision = "0034"
down_revision = "0033"

_INDEXED = (
    "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"
    " SET enable_bitmapscan = off"
)
"""Plans are kept: one made for a small table must use the index of a large one, too."""

_CHECK_UPDATES = f"""
    CREATE FUNCTION seeding_check_updates() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT {_INDEXED} AS $$
    DECLARE
        added_count bigint;
        task_count bigint;
        least_group bigint;
        last_group bigint;
        checked_group bigint;
    BEGIN
        SELECT count(*), min(group_id), max(group_id)
        INTO added_count, least_group, last_group FROM added;
        FOR checked_group IN
            SELECT least_group WHERE least_group = last_group
            UNION ALL
            (SELECT DISTINCT group_id FROM added WHERE least_group < last_group ORDER BY 1)
        LOOP
            PERFORM FROM task_groups WHERE id = checked_group FOR KEY SHARE;
            IF NOT FOUND THEN
                RAISE foreign_key_violation USING
                    MESSAGE = format('an update of a task refers to group %s, which does not exist'
                        ' (fk_task_updates_group_id)', checked_group),
                    CONSTRAINT = 'fk_task_updates_group_id', TABLE = 'task_updates';
            END IF;
        END LOOP;
        SELECT count(*) INTO task_count FROM added CROSS JOIN LATERAL (
            SELECT FROM tasks WHERE tasks.id = added.task_id LIMIT 1 FOR KEY SHARE
        ) AS found;
        IF task_count < added_count THEN
            RAISE foreign_key_violation USING
                MESSAGE = 'an update refers to a task that does not exist'
                    ' (fk_task_updates_task_id)',
                CONSTRAINT = 'fk_task_updates_task_id', TABLE = 'task_updates';
        END IF;
        RETURN NULL;
    END $$
"""  # noqa: S608 - our own names
_KEEP_UPDATE = """
    CREATE FUNCTION seeding_keep_update() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF (OLD.task_id, OLD.group_id) = (NEW.task_id, NEW.group_id) THEN
            RETURN NULL;
        END IF;
        RAISE feature_not_supported USING
            MESSAGE = 'a recorded update keeps its task and its group; record another one';
    END $$
"""
_DELETE_UPDATES = f"""
    CREATE FUNCTION seeding_delete_updates() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT {_INDEXED} AS $$
    BEGIN
        IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
            RAISE feature_not_supported USING
                MESSAGE = 'a transaction that keeps its snapshot cannot see the updates that others'
                    ' have recorded of a task; delete tasks in one that is READ COMMITTED';
        END IF;
        DELETE FROM task_updates WHERE id IN (
            SELECT updates.id FROM removed CROSS JOIN LATERAL (
                SELECT id FROM task_updates WHERE task_id = removed.id OFFSET 0
            ) AS updates
        );
        RETURN NULL;
    END $$
"""  # noqa: S608 - our own names
_DELETE_ALL_UPDATES = """
    CREATE FUNCTION seeding_delete_all_updates() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        DELETE FROM task_updates;
        RETURN NULL;
    END $$
"""
_KEEP_GROUP = """
    CREATE OR REPLACE FUNCTION seeding_keep_group() RETURNS trigger
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
        IF EXISTS (SELECT FROM task_updates WHERE group_id = OLD.id) THEN
            RAISE foreign_key_violation USING
                MESSAGE = format('group %s has updated tasks (fk_task_updates_group_id)', OLD.id),
                CONSTRAINT = 'fk_task_updates_group_id', TABLE = 'task_groups';
        END IF;
        RETURN NULL;
    END $$
"""
_KEEP_GROUPS = """
    CREATE OR REPLACE FUNCTION seeding_keep_groups() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF EXISTS (SELECT FROM tasks) THEN
            RAISE foreign_key_violation USING
                MESSAGE = 'there are groups that have tasks (fk_tasks_group_id_pipeline_id)',
                CONSTRAINT = 'fk_tasks_group_id_pipeline_id', TABLE = 'task_groups';
        END IF;
        IF EXISTS (SELECT FROM task_updates) THEN
            RAISE foreign_key_violation USING
                MESSAGE = 'there are groups that have updated tasks (fk_task_updates_group_id)',
                CONSTRAINT = 'fk_task_updates_group_id', TABLE = 'task_groups';
        END IF;
        RETURN NULL;
    END $$
"""
_TRIGGERS = (
    "CREATE TRIGGER seeding_check_updates AFTER INSERT ON task_updates"
    " REFERENCING NEW TABLE AS added"
    " FOR EACH STATEMENT EXECUTE FUNCTION seeding_check_updates()",
    "CREATE TRIGGER seeding_keep_update AFTER UPDATE OF task_id, group_id ON task_updates"
    " FOR EACH ROW EXECUTE FUNCTION seeding_keep_update()",
    "CREATE TRIGGER seeding_delete_updates AFTER DELETE ON tasks REFERENCING OLD TABLE AS removed"
    " FOR EACH STATEMENT EXECUTE FUNCTION seeding_delete_updates()",
    "CREATE TRIGGER seeding_delete_all_updates AFTER TRUNCATE ON tasks"
    " FOR EACH STATEMENT EXECUTE FUNCTION seeding_delete_all_updates()",
)


def upgrade() -> None:
    """Replace the foreign keys by triggers on PostgreSQL; no row is read again."""
    if op.get_context().dialect.name != "postgresql":
        return
    for statement in (
        _CHECK_UPDATES,
        _KEEP_UPDATE,
        _DELETE_UPDATES,
        _DELETE_ALL_UPDATES,
        _KEEP_GROUP,
        _KEEP_GROUPS,
        *_TRIGGERS,
    ):
        op.execute(statement)
    op.drop_constraint("fk_task_updates_task_id", "task_updates", type_="foreignkey")
    op.drop_constraint("fk_task_updates_group_id", "task_updates", type_="foreignkey")
