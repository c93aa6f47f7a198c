"""Open an external source of rows: the list of readers, and the choice among them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from tasks_lib.domain.limits import Limits
from tasks_lib.intake.datasets.file_rows import open_file
from tasks_lib.intake.datasets.foreign_rows import ForeignRows, ForeignSource, OpenRows
from tasks_lib.intake.datasets.sql_query import open_query


class Reader(NamedTuple):
    """A kind of source: whether a source is of this kind, and how to open one."""

    recognizes: Callable[[ForeignSource], bool]
    open: OpenRows


READERS: Final = (
    Reader(lambda source: bool(source.query), open_query),
    Reader(lambda _: True, open_file),
)
"""The readers in the order in which they are tried."""


def open_rows(
    source: ForeignSource, limits: Limits, readers: Sequence[Reader] = READERS
) -> AbstractContextManager[ForeignRows]:
    """Open the source with the first reader that recognizes it.

    Raises SourceProblemError for a source that cannot be used, UsageError for a request that cannot
    be understood, and UnavailableError if the source does not respond.
    """
    reader = next(reader for reader in readers if reader.recognizes(source))
    return reader.open(source, limits)
