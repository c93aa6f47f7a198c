"""Foreign rows: the one interface between an external source and a dataset.

The operations on datasets know this interface alone. They do everything that sources have in
common: flat memory, all rows or none, versions, rows that are known by a key, reports of bad rows.

To add a source, such as a REST feed, a topic or a graph:

1. Write a module beside this one with a function that opens the source. It takes a ForeignSource
   and Limits, and returns a context manager that yields ForeignRows. If the source gives Python
   values, ``ValueRows`` in ``value_rows.py`` makes ForeignRows of them: pass it column names and an
   iterator of rows. Otherwise write a class with the members of ForeignRows.
2. Raise SourceProblemError for a source that cannot be used, with a code of ``domain.problems``,
   and an UnavailableError if it does not respond. Put a bad row into its block, not into an error.
3. Give a checksum if the source can name its content before its rows are read: the hash of a file,
   an ETag, the offsets of a topic's partitions. Content that has been imported is then not read
   again. Without a checksum the rows are read, and hashed. Rows that are not on this machine are
   first copied to a local file, so that a slow source never holds a transaction open.
4. Add a ``Reader`` for the source to ``READERS`` in ``open_rows.py``.

A new format of files needs less: a member of ``FileFormat``, and its blocks in ``file_rows.py``.
``tests/integration/test_foreign_rows.py`` adds two sources in this way and seeds from them.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect
from tasks_lib.intake.datasets.file_formats import FileFormat
from tasks_lib.intake.rows.blocks import CheckedBlock


@dataclass(frozen=True)
class ForeignSource:
    """An external source: a path or URL, and how to read it.

    ``query`` selects the rows of a database. The other options are for files: without ``format``
    the file's name or its first bytes decide. ``dialect`` is for CSV; its encoding also for JSON.
    ``columns`` are those of a table to read, by default all; ``records`` is the path of the member
    of a JSON file that holds the rows; ``nan_as_null`` reads Parquet's NaN as null; ``sheet`` is
    that of a workbook.
    """

    uri: str
    query: str = ""
    format: FileFormat | None = None
    dialect: Dialect = DEFAULT_DIALECT
    columns: tuple[str, ...] = ()
    records: str = ""
    nan_as_null: bool = False
    sheet: str = ""


class ForeignRows(Protocol):
    """The rows of an external source, opened to be read once."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns with their types; complete once all blocks have been read."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that the user should see; complete once all blocks have been read."""
        ...

    @property
    def is_table(self) -> bool:
        """Whether all rows have the same columns, whose names are known from the beginning."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether the rows are on this machine, so that reading never waits for a network."""
        ...

    @property
    def checksum(self) -> str | None:
        """A text that is equal for equal content only, or None if only the rows can tell."""
        ...

    @property
    def total(self) -> int | None:
        """The ``done`` of the last block, for the progress; None if unknown."""
        ...

    def blocks(self) -> Generator[CheckedBlock]:
        """Yield the rows in order, numbered from 1; bad ones with their problems.

        Raises SourceProblemError if the source cannot be read any further.
        """
        ...


OpenRows = Callable[[ForeignSource, Limits], AbstractContextManager[ForeignRows]]
"""Opens a source; raises SourceProblemError, UsageError or UnavailableError."""
