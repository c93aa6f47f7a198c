"""Rows that are held as the columns of an Arrow batch."""

from collections.abc import Sequence
from typing import Any, overload

import pyarrow as pa


class ColumnarRows(Sequence[Sequence[Any]]):
    """The rows of ``batch``, whose columns are the members of a row.

    A slice is as cheap as an array's. A single row costs more than one of a list.
    """

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch

    def pick(self, places: Sequence[int]) -> "ColumnarRows":
        """Return the rows at some places."""
        return ColumnarRows(self.batch.take(pa.array(places, pa.int64())))

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.batch.num_rows)

    @overload
    def __getitem__(self, place: int) -> Sequence[Any]: ...

    @overload
    def __getitem__(self, place: slice) -> "ColumnarRows": ...

    def __getitem__(self, place: int | slice) -> "Sequence[Any] | ColumnarRows":
        """Return a row, or some rows."""
        if isinstance(place, slice):
            first, end, step = place.indices(len(self))
            if step != 1:
                raise ValueError("only rows that follow each other")
            return ColumnarRows(self.batch.slice(first, max(end - first, 0)))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return tuple(column[place].as_py() for column in self.batch.columns)
