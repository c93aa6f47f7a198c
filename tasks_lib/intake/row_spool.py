"""Keep a query's rows in a file of this machine until it is known which of them are new."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from tasks_lib.domain.conversions import Column
from tasks_lib.domain.datasets import common_type
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.json_rows import json_text
from tasks_lib.domain.names import did_you_mean
from tasks_lib.domain.problems import Problem, SourceProblemError
from tasks_lib.domain.sql_rows import json_row, key_of, kind_of_value
from tasks_lib.domain.values import ValueProblemError
from tasks_lib.errors import UsageError
from tasks_lib.intake.limits import Limits
from tasks_lib.intake.sql_source import QueryRows

BATCH_ROWS: Final = 5_000

KeyedRow = tuple[str, str]
"""A row's key and its JSON text."""


class RowSpool:
    """Rows in the order in which they came, each key once; its memory does not grow with them."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self.columns: tuple[Column, ...] = ()
        self.changed = 0
        self._file = file
        file.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, key TEXT UNIQUE, value TEXT)")

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Self]:
        """Open a new one in a folder that goes away with it."""
        # A load reads ahead in a thread of its own, and nobody else reads meanwhile.
        connection = sqlite3.connect(
            folder / "rows.db", isolation_level=None, check_same_thread=False
        )
        with closing(connection) as file:
            file.execute("PRAGMA journal_mode = OFF")
            file.execute("PRAGMA synchronous = OFF")
            yield cls(file)

    def __len__(self) -> int:
        (count,) = self._file.execute("SELECT count(*) FROM rows").fetchone()
        return int(count)

    def fill(self, query: QueryRows, key_columns: Sequence[str], limits: Limits) -> None:
        """Take all rows in; raise SourceProblemError with every row that is bad."""
        check_key(query.names, key_columns)
        kinds: list[set[FieldType]] = [set() for _ in query.names]
        problems: list[Problem] = []
        self._file.execute("BEGIN")
        for number, values in enumerate(query.rows, start=1):
            try:
                row = json_row(query.names, values)
                self._add(number, row, key_columns, limits)
            except ValueProblemError as problem:
                problems.append(Problem(problem.code, str(problem), number))
                if len(problems) > limits.max_errors:
                    break
                continue
            for found, value in zip(kinds, values, strict=True):
                if (kind := kind_of_value(value)) is not None:
                    found.add(kind)
        self._file.execute("COMMIT")
        if problems:
            raise SourceProblemError(*problems)
        self.columns = _columns(query, kinds)

    def drop_known(self, known: Mapping[str, str], batch: Sequence[KeyedRow]) -> None:
        """Take rows out that are ``known`` by their key, and count those whose content differs."""
        there = [(key, value) for key, value in batch if key in known]
        self.changed += sum(known[key] != value for key, value in there)
        self._file.executemany("DELETE FROM rows WHERE key = ?", [(key,) for key, _ in there])

    def batches(self, limit: int = -1) -> Iterator[list[KeyedRow]]:
        """Yield the rows that are left, in order; those of a batch may be dropped meanwhile."""
        last = 0
        left = limit if limit >= 0 else len(self)
        while left > 0:
            found = self._file.execute(
                "SELECT number, key, value FROM rows WHERE number > ? ORDER BY number LIMIT ?",
                (last, min(left, BATCH_ROWS)),
            ).fetchall()
            if not found:
                return
            last = found[-1][0]
            left -= len(found)
            yield [(key, value) for _, key, value in found]

    def _add(
        self, number: int, row: Mapping[str, Any], key_columns: Sequence[str], limits: Limits
    ) -> None:
        value = json_text(dict(row))
        if len(value) > limits.max_row_bytes or len(value.encode()) > limits.max_row_bytes:
            message = f"the row is larger than {limits.max_row_bytes:,} bytes"
            raise ValueProblemError("row_too_large", message)
        key = key_of(row, key_columns)
        statement = "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        if not self._file.execute(statement, (number, key, value)).rowcount:
            ((held,),) = self._file.execute("SELECT value FROM rows WHERE key = ?", (key,))
            self.changed += held != value


def check_key(names: Sequence[str], key_columns: Sequence[str]) -> None:
    """Raise UsageError unless the query gives the columns of the key."""
    for name in key_columns:
        if name not in names:
            hint = did_you_mean(name, names)
            raise UsageError(f"the key names {name!r}, which the query does not give{hint}")


def first_columns(query: QueryRows, rows: int) -> tuple[Column, ...]:
    """Return the columns of a query as its first rows show them."""
    kinds: list[set[FieldType]] = [set() for _ in query.names]
    for values in islice(query.rows, rows):
        try:
            json_row(query.names, values)
        except ValueProblemError as problem:
            raise SourceProblemError(Problem(problem.code, str(problem))) from None
        for found, value in zip(kinds, values, strict=True):
            if (kind := kind_of_value(value)) is not None:
                found.add(kind)
    return _columns(query, kinds)


def _columns(query: QueryRows, kinds: Sequence[set[FieldType]]) -> tuple[Column, ...]:
    return tuple(
        Column(name, told or common_type(found))
        for name, told, found in zip(query.names, query.types, kinds, strict=True)
    )
