"""Find the rows of a source whose key an earlier row has.

A load notices two rows with the same key only when it inserts them, and only that there are some.
It then reads the source again with this check, which names both rows and keeps the keys in a file,
so that memory does not grow with the source.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from tasks_lib.domain.rows.keys import KeyOf, describe_key
from tasks_lib.errors import Problem
from tasks_lib.intake.rows.columns import FieldProblem

CODE: Final = "duplicate_key"


class DuplicateKeys:
    """The keys of the rows so far, with the first row of each, in a file of ``folder``."""

    def __init__(self, key: Sequence[str], key_of: KeyOf, folder: Path) -> None:
        self._key = key
        self._key_of = key_of
        # The thread that reads ahead uses the connection, one thread at a time.
        self._connection = sqlite3.connect(
            folder / "keys.db", isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("CREATE TABLE keys (key TEXT PRIMARY KEY, row INTEGER)")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def check(self, numbers: pa.Array, values: pa.Array) -> list[FieldProblem]:
        """Return the problems of rows whose key an earlier row has, and remember the others."""
        problems = []
        execute = self._connection.execute
        execute("BEGIN")
        rows = zip(numbers.to_pylist(), values.to_pylist(), strict=True)
        for position, (row, text) in enumerate(rows):
            key = self._key_of(text)
            if execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (key, row)).rowcount:
                continue
            (first,) = execute("SELECT row FROM keys WHERE key = ?", (key,)).fetchone()
            problems.append(FieldProblem(position, self._problem(text, first)))
        execute("COMMIT")
        return problems

    def _problem(self, text: str, first: int) -> Problem:
        message = f"has the same key as row {first:,}: {describe_key(self._key, text)}"
        return Problem(CODE, message, field=self._key[0] if len(self._key) == 1 else None)
