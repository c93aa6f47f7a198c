"""Groups and tasks that tests write with SQL of their own, to try what PostgreSQL checks."""

from sqlalchemy import text

from tasks_lib.store.engine import Store

ADD_GROUP = (
    "INSERT INTO task_groups (pipeline_id, kind, seed_key, source, created_at, task_count,"
    " rejected_count) VALUES (1, 'csv', '{key}', 's', now(), 0, 0)"
)
ADD_TASKS = (
    "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined)"
    " SELECT 1, {group}, n, 'pending', '{{}}' FROM generate_series(1, 3) n"
)


def run(store: Store, *statements: str) -> None:
    """Run the statements in one transaction."""
    with store.write() as session:
        for statement in statements:
            session.execute(text(statement))
