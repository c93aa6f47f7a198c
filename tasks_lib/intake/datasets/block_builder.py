"""Collect rows one by one into blocks of a bounded size."""

from typing import Final

import numpy as np
import pyarrow as pa

from tasks_lib.errors import Problem
from tasks_lib.intake.rows.blocks import BadRow, CheckedBlock

BLOCK_ROWS: Final = 5_000
BLOCK_CHARACTERS: Final = 2**22


class BlockBuilder:
    """The rows of the next block."""

    def __init__(self, *, max_rows: int = BLOCK_ROWS) -> None:
        self._max_rows = max_rows
        self._numbers: list[int] = []
        self._values: list[str] = []
        self._bad: list[BadRow] = []
        self._characters = 0

    @property
    def is_full(self) -> bool:
        """Whether the block has as many rows, or characters, as a block may have."""
        count = len(self._numbers) + len(self._bad)
        return count >= self._max_rows or self._characters >= BLOCK_CHARACTERS

    def add(self, row: int, value: str) -> None:
        """Add a good row's JSON object."""
        self._numbers.append(row)
        self._values.append(value)
        self._characters += len(value)

    def reject(self, row: int, *problems: Problem) -> None:
        """Add a bad row."""
        self._bad.append(BadRow(row, [], list(problems)))

    def finish(self, done: int) -> CheckedBlock:
        """Return the block; ``done`` says how much of the source has been read."""
        numbers = pa.array(np.array(self._numbers, dtype=np.int64))
        return CheckedBlock(numbers, pa.array(self._values, pa.string()), self._bad, done)
