"""The baseline on SQLite: measures executemany of shaped rows into the tasks' table.

The rows are objects in memory before the clock starts: as bare as Python's sqlite3 can be.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from sqlalchemy import make_url

from benchmarks.shaped import COLUMNS, SEPARATOR

_Row = tuple[int, int, int, str, str]


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the insertion of all rows in one transaction, with the store's own pragmas."""
    return partial(_insert, str(make_url(database_url).database), _rows(source))


def _rows(source: Path) -> list[_Row]:
    rows = []
    with source.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            pipeline_id, group_id, row, status, predefined = line[:-1].split(SEPARATOR)
            rows.append((int(pipeline_id), int(group_id), int(row), status, predefined))
    return rows


def _insert(path: str, rows: list[_Row]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        with connection:
            connection.executemany(f"INSERT INTO tasks ({COLUMNS}) VALUES (?, ?, ?, ?, ?)", rows)
