"""A local copy of foreign rows, kept until it is known which of them are new."""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import Final, Protocol, Self

import pyarrow as pa

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.names import did_you_mean
from tasks_lib.domain.rows.json_rows import parse_row
from tasks_lib.domain.rows.sql_rows import key_of
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem, SourceProblemError, UsageError
from tasks_lib.intake.datasets.foreign_rows import ForeignRows
from tasks_lib.intake.datasets.row_keys import same_row
from tasks_lib.intake.rows.blocks import BadRow, CheckedBlock
from tasks_lib.intake.rows.limit_problems import too_many_errors
from tasks_lib.transport.temporary import temporary_folder, writing_temporary_files

BATCH_ROWS: Final = 5_000


class Known(Protocol):
    """A row that a dataset has or had."""

    @property
    def id(self) -> int:
        """The row's id."""
        ...

    @property
    def value(self) -> str:
        """The row's JSON text."""
        ...

    @property
    def is_removed(self) -> bool:
        """Whether the present version no longer has the row."""
        ...


KeyedRow = tuple[str, str]
"""A row's key and its JSON text."""


class RowSpool:
    """Rows in a local file, in their order; a key is kept once.

    Memory does not grow with the rows. ``repeated`` counts rows that came with the key of an
    earlier one and other content. Once rows that a dataset has are dropped, ``known`` counts those
    of its present version, and ``returned`` those that it had before.
    """

    is_local: Final = True

    def __init__(self, file: sqlite3.Connection) -> None:
        self.columns: tuple[Column, ...] = ()
        self.repeated = self.known = self.returned = 0
        self.is_table = False
        self.warnings: tuple[str, ...] = ()
        self._bad: list[BadRow] = []
        self._file = file
        file.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, key TEXT UNIQUE, value TEXT)")
        file.execute("CREATE TABLE known (id INTEGER PRIMARY KEY, changed_to TEXT)")

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Open an empty spool; its file is removed when the context is left."""
        with temporary_folder() as folder:
            # A load reads ahead in a second thread; never do two threads use it at the same time.
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

    @property
    def has_rows(self) -> bool:
        """Whether the source has any rows, good or bad."""
        return bool(self._bad) or len(self) > 0

    @property
    def total(self) -> int:
        """The number of rows."""
        return len(self)

    @property
    def checksum(self) -> str:
        """The SHA-256 of the rows' keys, or of the rows if they have no keys."""
        digest = sha256()
        for (text,) in self._file.execute(
            "SELECT coalesce(key, value || char(10)) FROM rows ORDER BY number"
        ):
            digest.update(text.encode())
        return digest.hexdigest()

    def fill(
        self,
        rows: ForeignRows,
        limits: Limits,
        key_columns: Sequence[str] | None = None,
        *,
        tolerates: bool = False,
    ) -> None:
        """Copy all rows; raise SourceProblemError with the problems of all bad rows.

        Rows are identified by ``key_columns``, or by all columns if the sequence is empty. With
        None they have no keys, and equal rows are kept. If it ``tolerates`` bad rows, it keeps them
        for ``blocks``, unless there are too many.
        """
        if rows.is_table:
            check_key([column.name for column in rows.columns], key_columns or ())
        problems: list[Problem] = []
        rejected = 0
        with writing_temporary_files(), closing(rows.blocks()) as blocks:
            self._file.execute("BEGIN")
            for block in blocks:
                bad = {entry.row: entry.problems for entry in block.bad}
                bad |= self._add(block, key_columns)
                problems += [problem for row in sorted(bad) for problem in bad[row]]
                rejected += len(bad)
                self._bad += block.bad
                if rejected > limits.max_errors:
                    problems.insert(0, too_many_errors(limits))
                    break
            self._file.execute("COMMIT")
        if problems and (rejected > limits.max_errors or not tolerates):
            raise SourceProblemError(*problems)
        self.columns = rows.columns
        self.warnings = rows.warnings
        self.is_table = rows.is_table

    def drop_known(self, known: Mapping[str, Known], batch: Sequence[KeyedRow]) -> None:
        """Remove the rows of a batch that are ``known`` by key; note those of the present version.

        See ``update``.
        """
        present = [(known[key], key, value) for key, value in batch if key in known]
        self._file.executemany("DELETE FROM rows WHERE key = ?", [(key,) for _, key, _ in present])
        current = [
            (row.id, None if same_row(row.value, value) else value)
            for row, _, value in present
            if not row.is_removed
        ]
        self._file.executemany("INSERT INTO known VALUES (?, ?)", current)
        self.known += len(current)
        self.returned += len(present) - len(current)

    def update(
        self, batch: Sequence[tuple[int, int, str]], *, leaves_out_missing: bool
    ) -> list[tuple[int, int, str]]:
        """Return rows of the dataset, given as id, number and text, with their new texts."""
        marks = ",".join("?" * len(batch))
        texts = dict(
            self._file.execute(
                f"SELECT id, changed_to FROM known WHERE id IN ({marks})",  # noqa: S608
                [row_id for row_id, _, _ in batch],
            )
        )
        return [
            (row_id, number, texts.get(row_id) or text)
            for row_id, number, text in batch
            if row_id in texts or not leaves_out_missing
        ]

    def batches(self, limit: int = -1) -> Iterator[list[KeyedRow]]:
        """Yield the rows that are left, in order; those of a batch may be dropped meanwhile."""
        for batch in self._batches(limit):
            yield [(key, value) for _, key, value in batch]

    def blocks(self) -> Generator[CheckedBlock]:
        """Yield the rows as foreign rows, with the numbers that they had at the source."""
        done = 0
        if self._bad:
            none = pa.array([], pa.int64()), pa.array([], pa.string())
            yield CheckedBlock(*none, self._bad, done)
        for batch in self._batches():
            numbers, _, values = zip(*batch, strict=True)
            done += len(batch)
            yield CheckedBlock(
                pa.array(numbers, pa.int64()), pa.array(values, pa.string()), [], done
            )

    def _batches(self, limit: int = -1) -> Iterator[list[tuple[int, str, str]]]:
        last = 0
        left = limit if limit >= 0 else len(self)
        while left > 0:
            rows = self._file.execute(
                "SELECT number, key, value FROM rows WHERE number > ? ORDER BY number LIMIT ?",
                (last, min(left, BATCH_ROWS)),
            ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            left -= len(rows)
            yield rows

    def _add(
        self, block: CheckedBlock, key_columns: Sequence[str] | None
    ) -> dict[int, list[Problem]]:
        """Insert the good rows of a block; return the problems of those whose key is null."""
        rows: list[tuple[int, str | None, str]] = []
        bad: dict[int, list[Problem]] = {}
        values = zip(block.numbers.to_pylist(), block.values.to_pylist(), strict=True)
        for number, value in values:
            try:
                key = None if key_columns is None else key_of(parse_row(value), key_columns)
            except ValueProblemError as problem:
                bad[number] = [Problem(problem.code, str(problem), number)]
            else:
                rows.append((number, key, value))
        statement = "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        inserted = self._file.executemany(statement, rows).rowcount
        if inserted < len(rows):
            self.repeated += self._count_repeated(rows)
        return bad

    def _count_repeated(self, rows: Sequence[tuple[int, str | None, str]]) -> int:
        """Return how many of the rows are in the spool with other content, under the same key."""
        stored = "SELECT value FROM rows WHERE key = ?"
        return sum(
            self._file.execute(stored, (key,)).fetchone() != (value,) for _, key, value in rows
        )


@contextmanager
def local_rows(
    rows: ForeignRows, limits: Limits, *, tolerates: bool = False
) -> Iterator[tuple[ForeignRows, str]]:
    """Yield the rows, copied to a local file unless they are there, and their checksum.

    Raises SourceProblemError for bad rows in what is copied, unless it ``tolerates`` them.
    """
    checksum = rows.checksum
    if rows.is_local and checksum is not None:
        yield rows, checksum
        return
    with RowSpool.open() as spool:
        spool.fill(rows, limits, tolerates=tolerates)
        if not spool.has_rows:
            raise SourceProblemError(Problem("no_rows", "the source has no rows"))
        yield spool, checksum or spool.checksum


def check_key(names: Sequence[str], key_columns: Sequence[str]) -> None:
    """Raise UsageError unless the source has the columns of the key."""
    for name in key_columns:
        if name not in names:
            hint = did_you_mean(name, names)
            raise UsageError(f"the key names {name!r}, which the source does not have{hint}")


def first_columns(rows: ForeignRows) -> tuple[Column, ...]:
    """Return the columns as the first block shows them; raise SourceProblemError for a bad row."""
    with closing(rows.blocks()) as blocks:
        for block in blocks:
            if block.bad:
                raise SourceProblemError(*block.bad[0].problems)
            break
    return rows.columns
