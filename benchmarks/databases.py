"""Empty databases to load into, and checks of their content; a helper of the benchmarks."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from sqlalchemy import create_engine, make_url, text

from benchmarks.generate import write_catalogue
from benchmarks.load_once import loading_environment
from benchmarks.servers import Postgresql, postgresql
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.store.engine import Store
from tasks_lib.store.groups.task_groups import ensure_group


class Databases(Protocol):
    """Creates databases; has a title for headings, and the PATH that loads need."""

    title: str
    programs: Path | None

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Create an empty database, yield its URL, and drop it."""
        ...


@dataclass
class PostgresqlDatabases:
    """Databases of one PostgreSQL server."""

    server: Postgresql

    def __post_init__(self) -> None:
        self._engine = create_engine(self.server.url, isolation_level="AUTOCOMMIT")
        self._numbers = count(1)
        self.programs: Path | None = self.server.programs
        with self._engine.connect() as connection:
            version = connection.scalar(text("SHOW server_version"))
        self.title = f"PostgreSQL {version}"

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Create an empty database, after a checkpoint, so that no load pays for the one before."""
        name = f"load_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        self._execute("CHECKPOINT")
        os.sync()
        try:
            url = make_url(self.server.url).set(database=name)
            yield url.render_as_string(hide_password=False)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(statement))


@dataclass
class SqliteDatabases:
    """Databases in files of one folder."""

    folder: Path
    programs: Path | None = None

    def __post_init__(self) -> None:
        self.title = f"SQLite {sqlite3.sqlite_version}"

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Name a database that does not exist yet, in a folder of its own."""
        os.sync()
        with TemporaryDirectory(dir=self.folder, prefix="sqlite-") as folder:
            yield f"sqlite:///{folder}/load.db"


@contextmanager
def open_databases(kind: str, folder: Path) -> Iterator[Databases]:
    """Start the server that ``kind``, postgresql or sqlite, needs; stop it at the end."""
    if kind == "sqlite":
        yield SqliteDatabases(folder)
        return
    with postgresql(folder) as server:
        yield PostgresqlDatabases(server)


def each_database(
    kinds: Sequence[str], folder: Path
) -> Iterator[tuple[str, Databases, dict[str, str]]]:
    """Yield each kind with its databases, and the environment of loads without Prefect."""
    for kind in kinds:
        with open_databases(kind, folder) as databases:
            yield (
                kind,
                databases,
                loading_environment(folder, programs=databases.programs, prefect_api_url=""),
            )


def make_store(
    url: str,
    *,
    with_group: bool = False,
    write_catalogue: Callable[[Path], object] = write_catalogue,
) -> None:
    """Create a store with the pipeline of the generated file, and a group to copy rows into.

    Both have the id 1.
    """
    store = Store.open(url)
    try:
        with TemporaryDirectory() as folder:
            catalogue = Path(folder, "catalogue.yaml")
            write_catalogue(catalogue)
            apply_catalogue(store, catalogue)
        if with_group:
            with store.write() as session:
                ensure_group(
                    session,
                    pipeline_id=1,
                    kind=SeedKind.CSV,
                    seed_key="benchmark",
                    source="benchmark",
                    at=datetime.now(UTC),
                )
    finally:
        store.close()


def make_tasks(url: str, count: int) -> None:
    """Create pending tasks in the group that ``make_store`` has created."""
    store = Store.open(url)
    with store.write() as session:
        session.execute(
            text(
                "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
                " WHERE n < :count) INSERT INTO tasks (pipeline_id, group_id, row, status,"
                " predefined) SELECT 1, 1, n, 'pending', '{\"id\":\"1\"}' FROM numbers"
            ),
            {"count": count},
        )
        columns = "in_progress, paused, finished, escalated, quarantined, failed, claims"
        session.execute(
            text(
                f"INSERT INTO task_counts (pipeline_id, slot, pending, {columns})"
                " VALUES (1, 0, :count, 0, 0, 0, 0, 0, 0, 0)"
            ),
            {"count": count},
        )
    store.close()


def copy_database(filled: str, url: str) -> None:
    """Replace an empty database by a copy of another one, and wait until the copy is complete."""
    name, template = make_url(url).database, make_url(filled).database
    administrative = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    administer(
        administrative,
        f"DROP DATABASE {name}",
        f"CREATE DATABASE {name} TEMPLATE {template}",
        "CHECKPOINT",
    )
    os.sync()


def administer(url: str, *statements: str) -> None:
    """Run statements outside of a transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def count_rows(url: str, table: str) -> int:
    """Return the number of rows in ``table``."""
    return query(url, f"SELECT count(*) FROM {table}")[0]


def tasks_fingerprint(url: str) -> tuple[int, ...]:
    """Return a fingerprint of the tasks of a store."""
    length = "length(CAST(predefined AS text))"
    return query(
        url,
        f"SELECT count(*), sum(row), sum({length}), sum(row % 1009 * {length}), "
        "min(pipeline_id), max(group_id) FROM tasks WHERE status = 'pending'",
    )


def query(url: str, statement: str) -> tuple[int, ...]:
    """Return the only row that a statement selects, as numbers."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return tuple(map(int, connection.execute(text(statement)).one()))
    finally:
        engine.dispose()
