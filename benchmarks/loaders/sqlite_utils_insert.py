"""sqlite-utils: measures insert_all of csv's rows into a table with text columns.

No value is checked, nothing is shaped, and the table has no index, key or constraint.
"""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import make_url
from sqlite_utils import Database


def prepared(database_url: str, source: Path) -> Callable[[], object]:
    """Return the reading and inserting."""
    return partial(_insert, str(make_url(database_url).database), source)


def _insert(path: str, source: Path) -> None:
    database = Database(path)
    database.enable_wal()
    with source.open(encoding="utf-8", newline="") as file:
        database.table("reviews").insert_all(csv.DictReader(file))
    database.close()
