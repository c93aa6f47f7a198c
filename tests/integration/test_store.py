"""The store creates itself, knows its revision and matches its migrations, on both databases."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pyarrow as pa
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, make_url, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import SchemaItem

from all_tables import METADATA
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.errors import (
    StoreOutdatedError,
    StoreRefusedError,
    StoreTooNewError,
    StoreUnavailableError,
    UsageError,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.bulk import insert_rows, postgres_connection
from tasks_lib.store.engine import LATEST_REVISION, Store
from tasks_lib.store.migrations.upgrade import scripts, upgrade
from tasks_lib.store.tables.base import CONDITION
from tasks_lib.store.tables.groups import TaskGroupRow

_REPLACED_KEYS = (
    "fk_tasks_group_id_pipeline_id",
    "fk_task_updates_task_id",
    "fk_task_updates_group_id",
)


def test_a_fresh_store_is_created_at_the_latest_revision(empty_database_url: str) -> None:
    store = Store.open(empty_database_url)
    with store.engine.connect() as connection:
        tables = set(inspect(connection).get_table_names())
    assert store.revision() == LATEST_REVISION
    assert tables == {*METADATA.tables, "alembic_version"}
    store.close()


def test_the_latest_revision_is_the_last_migration() -> None:
    assert scripts().get_heads() == [LATEST_REVISION]


def test_the_migrations_create_the_tables_of_the_models(empty_database_url: str) -> None:
    store = Store.open(empty_database_url)
    with store.engine.begin() as connection:
        assert _differences(connection) == []
        migrated = _reflected(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        METADATA.drop_all(connection)
        _set_conditions_of_indexes(connection.dialect.name)
        METADATA.create_all(connection)
        assert migrated == _reflected(connection)
    store.close()


def test_stores_opened_concurrently_are_created_once(empty_database_url: str) -> None:
    def open_and_close(_: int) -> str | None:
        store = Store.open(empty_database_url)
        revision = store.revision()
        store.close()
        return revision

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(open_and_close, range(8))) == [LATEST_REVISION] * 8


def test_an_older_store_asks_for_the_upgrade(empty_database_url: str) -> None:
    _set_revision(empty_database_url, "0000")
    with pytest.raises(StoreOutdatedError, match=r"has revision 0000.*; upgrade it$"):
        Store.open(empty_database_url)


def test_a_newer_store_is_refused(empty_database_url: str) -> None:
    _set_revision(empty_database_url, "9999")
    with pytest.raises(StoreTooNewError, match="has revision 9999, made by a later release"):
        Store.open(empty_database_url)


def test_a_store_of_the_first_release_is_upgraded_and_keeps_its_data(
    empty_database_url: str,
) -> None:
    store = Store.open_any(empty_database_url)
    with store.engine.begin() as connection:
        upgrade(connection, "0001")
        connection.execute(text("INSERT INTO organizations (name) VALUES ('acme')"))
    assert store.revision() == "0001"
    store.upgrade()
    assert store.revision() == LATEST_REVISION
    store.close()
    upgraded = Store.open(empty_database_url)
    with upgraded.engine.connect() as connection:
        assert _differences(connection) == []
        assert connection.execute(text("SELECT id, name FROM organizations")).all() == [(1, "acme")]
    upgraded.close()


def test_the_upgrade_lets_the_tasks_of_an_older_store_be_withdrawn(empty_database_url: str) -> None:
    store = Store.open_any(empty_database_url)
    with store.engine.begin() as connection:
        upgrade(connection, "0012")
        for statement in _ONE_TASK_OF_0012:
            connection.execute(text(statement))
    store.upgrade()
    store.close()
    upgraded = Store.open(empty_database_url)
    with upgraded.engine.begin() as connection:
        withdrawn = text("UPDATE tasks SET status = 'withdrawn' RETURNING id, status")
        assert connection.execute(withdrawn).all() == [(1, "withdrawn")]
        numbers = text("SELECT pending, withdrawn FROM task_counts")
        assert connection.execute(numbers).all() == [(1, 0)]
    with upgraded.engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(text("UPDATE tasks SET status = 'undone'"))
    upgraded.close()


_ONE_TASK_OF_0012 = (
    "INSERT INTO organizations (name) VALUES ('acme')",
    "INSERT INTO projects (organization_id, name) VALUES (1, 'reviews')",
    "INSERT INTO pipelines (project_id, name, status) VALUES (1, 'label', 'active')",
    "INSERT INTO task_groups (pipeline_id, kind, seed_key, source, created_at, task_count,"
    " rejected_count) VALUES (1, 'csv', 'a', 'a.csv', '2026-01-01 00:00:00', 1, 0)",
    'INSERT INTO tasks (pipeline_id, group_id, "row", status, predefined)'
    " VALUES (1, 1, 1, 'pending', '{}')",
    "INSERT INTO task_counts (pipeline_id, slot, pending, in_progress, paused, finished, escalated,"
    " quarantined, failed, claims) VALUES (1, 0, 1, 0, 0, 0, 0, 0, 0, 0)",
)


def test_sqlite_runs_in_wal_with_foreign_keys(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'seeding.db'}")
    with store.engine.connect() as connection:
        pragmas = [
            connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        ]
    assert pragmas == ["wal", 1, 60_000, 1]
    store.close()


def test_a_locked_sqlite_store_says_so_after_the_timeout(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'seeding.db'}"
    holder = Store.open(url)
    waiter = Store.open(url, busy_timeout_seconds=0.1)
    with (
        holder.write(),
        pytest.raises(
            StoreUnavailableError, match="database is locked; another writer holds it for longer"
        ),
        waiter.write(),
    ):
        pass
    holder.close()
    waiter.close()


def test_a_full_disk_is_one_sentence_even_for_rows_that_bypass_sqlalchemy(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'seeding.db'}")
    with pytest.raises(StoreUnavailableError) as caught:
        _overfill(store)
    assert str(caught.value) == (
        f"the store {store.engine.url} cannot be used: database or disk is full"
    )
    with store.read() as session:
        assert session.scalar(text("SELECT count(*) FROM organizations")) == 0
    store.close()


def _overfill(store: Store) -> None:
    names = pa.array([f"organization {number}" for number in range(10_000)])
    with store.write() as session:
        session.execute(text("PRAGMA max_page_count = 1"))  # no more than are in use
        insert_rows(session, "organizations", {}, ("name",), [[names]])


def test_an_unreachable_server_is_one_sentence_without_the_password() -> None:
    url = "postgresql+psycopg://someone:secret@127.0.0.1:1/store"
    with pytest.raises(StoreUnavailableError) as caught:
        Store.open(url)
    assert "postgresql+psycopg://someone:***@127.0.0.1:1/store cannot be used" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "SEEDING_DATABASE_URL is not a database URL"),
        ("sqlite://", "must name a file"),
        ("mysql://host/db", "begins with 'mysql'; expected sqlite:///path or postgresql"),
    ],
)
def test_an_invalid_store_url_is_a_usage_error(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Store.open(url)


def test_an_error_rolls_everything_back(workspace: Workspace) -> None:
    def rename_and_fail() -> None:
        with workspace.store.write() as session:
            session.execute(text("UPDATE pipelines SET name = 'changed'"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rename_and_fail()
    with workspace.store.read() as session:
        assert session.scalar(text("SELECT name FROM pipelines")) == "label-reviews"


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        pytest.param(
            "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined) "
            "VALUES (1, 1, 1, 'pending', '{}')",
            "group_id, tasks.row|uq_tasks_group_id_row",
            id="a row makes two tasks",
        ),
        pytest.param(
            "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined) "
            "VALUES (2, 1, 2, 'pending', '{}')",
            "FOREIGN KEY|fk_tasks_group_id_pipeline_id",
            id="a task in another pipeline than its group",
        ),
        pytest.param(
            "INSERT INTO task_groups (pipeline_id, kind, seed_key, source, created_at, "
            "task_count, rejected_count) VALUES (1, 'csv', 'k', 's', '2026-01-01', 0, 0)",
            "seed_key|uq_task_groups_pipeline_id_seed_key",
            id="two groups for one seed key",
        ),
        pytest.param(
            "INSERT INTO group_files (group_id, uri) VALUES (1, 'file:///a')",
            "FOREIGN KEY|fk_group_files_uri",
            id="a group with a file that is not stored",
        ),
        pytest.param(
            "UPDATE tasks SET status = 'lost'", "ck_tasks_status", id="a status that is none"
        ),
    ],
)
def test_the_database_enforces_the_invariants(
    workspace: Workspace, statement: str, constraint: str
) -> None:
    with workspace.store.write() as session:
        session.add(
            TaskGroupRow(
                pipeline_id=1,
                kind=SeedKind.CSV,
                seed_key="k",
                source="s",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        )
        session.flush()
        session.execute(
            text(
                "INSERT INTO tasks (pipeline_id, group_id, row, status, predefined) "
                "VALUES (1, 1, 1, 'pending', '{}')"
            )
        )
    with pytest.raises(IntegrityError, match=constraint), workspace.store.write() as session:
        session.execute(text(statement))


def _set_conditions_of_indexes(dialect: str) -> None:
    """Pass the conditions of partial indexes to a dialect; the models only record them."""
    for table in METADATA.tables.values():
        for index in table.indexes:
            if CONDITION in index.info:
                index.dialect_options[dialect]["where"] = text(index.info[CONDITION])


def _differences(connection: Connection) -> list[Any]:
    """Compare the database with the models, but for the key that triggers replace on PostgreSQL."""

    def is_compared(
        _item: SchemaItem, name: str | None, kind: str, _is_reflected: bool, _other: object
    ) -> bool:
        is_replaced = connection.dialect.name == "postgresql"
        is_key = kind == "foreign_key_constraint" and name in _REPLACED_KEYS
        return not (is_key and is_replaced)

    context = MigrationContext.configure(connection, opts={"include_object": is_compared})
    return list(compare_metadata(context, METADATA))


def _reflected(connection: Connection) -> dict[str, object]:
    """Return the database's description of each table, as text for comparison."""
    inspector = inspect(connection)
    return {
        table: [
            sorted(map(str, inspector.get_columns(table))),
            inspector.get_pk_constraint(table),
            sorted(map(str, inspector.get_unique_constraints(table))),
            # SQLAlchemy does not see the name of a key that came with its column on SQLite.
            sorted(str(key | {"name": None}) for key in inspector.get_foreign_keys(table)),
            sorted(map(str, inspector.get_check_constraints(table))),
            sorted(re.sub(" at 0x[0-9a-f]+", "", str(i)) for i in inspector.get_indexes(table)),
        ]
        for table in METADATA.tables
    }


def _set_revision(empty_database_url: str, revision: str) -> None:
    store = Store.open(empty_database_url)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :n"), {"n": revision})
    store.close()


@pytest.fixture
def password_url(postgresql_url: str) -> Iterator[str]:
    """The URL of a role that has to give a password; the server trusts every other."""
    name = f"guarded_{uuid4().hex}"
    url = make_url(postgresql_url)
    server = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'right'")
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        before = rules.read_text()
        rules.write_text(f"local all {name} scram-sha-256\nhost all {name} all reject\n{before}")
        connection.execute("SELECT pg_reload_conf()")
        guarded = url.set(username=name, password="right")  # noqa: S106 - only the test's
        yield guarded.render_as_string(hide_password=False)
        rules.write_text(before)
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"password": "wrong"}, "password authentication failed for user"),
        ({"password": None}, "no password supplied"),
        ({"username": "nobody"}, 'role "nobody" does not exist'),
        ({"database": "nothing"}, 'database "nothing" does not exist'),
    ],
)
def test_a_server_that_refuses_is_not_tried_again(
    password_url: str, changed: dict[str, Any], reason: str
) -> None:
    url = make_url(password_url)._replace(**changed)
    with pytest.raises(StoreRefusedError, match=reason) as caught:
        Store.open(url.render_as_string(hide_password=False))
    assert (caught.value.is_transient, caught.value.retry_seconds) == (False, None)


def test_a_cut_connection_raises_and_the_next_statement_gets_another(
    postgresql_url: str,
) -> None:
    store = Store.open(postgresql_url)
    with store.postgresql() as connection:
        number = connection.info.backend_pid
    cut(postgresql_url, number)
    with (
        pytest.raises(
            StoreUnavailableError, match=r"^the store postgresql\+psycopg://.* cannot be"
        ),
        store.postgresql() as connection,
    ):
        connection.execute("SELECT 1")
    with store.postgresql() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    store.close()


def test_a_connection_cut_while_idle_is_replaced_silently(
    postgresql_url: str,
) -> None:
    store = Store.open(postgresql_url)
    with store.query() as session:
        connection = postgres_connection(session)
        info = session.connection().connection.info
    cut(postgresql_url, connection.info.backend_pid)
    info["idle_since"] -= 60  # as if a minute had gone by
    with store.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    store.close()


def cut(url: str, number: int) -> None:
    """End a connection as a restarting server does."""
    engine = Store.open_any(url).engine
    with engine.begin() as connection:
        connection.execute(text(f"SELECT pg_terminate_backend({number}, 5000)"))
    engine.dispose()
