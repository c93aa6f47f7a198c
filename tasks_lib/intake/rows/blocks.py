"""Blocks of consecutive rows: first cells as text, then, once checked, JSON objects."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from tasks_lib.errors import Problem

# Arrow's own pool would keep what it has freed: about 30 MB in a worker's process.
pa.set_memory_pool(pa.system_memory_pool())


@dataclass(frozen=True)
class BadRow:
    """A rejected row: its number, what is wrong with it, and its cells if the source has cells.

    ``cells`` are those of the named columns, then those beyond them. With ``is_lossy`` they are not
    as in the source, so that what is wrong cannot be seen in them.
    """

    row: int
    cells: list[str]
    problems: list[Problem]
    is_lossy: bool = False


@dataclass(frozen=True)
class CellBlock:
    """Rows as cells of text: readable rows column by column, unreadable rows apart.

    ``numbers`` is an int64 array; ``columns`` holds a string array of the same length for each
    column of the header. ``bytes_read`` counts the UTF-8 bytes of the file up to the block's end.
    """

    numbers: pa.Array
    columns: list[pa.Array]
    bad: list[BadRow]
    blank: int
    bytes_read: int


@dataclass(frozen=True)
class CheckedBlock:
    """Rows as JSON objects: ``values`` (string) with their ``numbers`` (int64), and the bad rows.

    ``done`` says how much of the source has been read, in the source's own unit. ``origins`` holds
    the ids (int64) of the dataset rows or tasks that the rows come from, if they have any.
    ``cell_names`` are the columns of the bad rows' cells, if the source has cells.
    """

    numbers: pa.Array
    values: pa.Array
    bad: list[BadRow]
    done: int
    blank: int = 0
    origins: pa.Array | None = None
    cell_names: Sequence[str] = ()
