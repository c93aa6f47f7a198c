"""Tasks that were found by the keys of rows, and the texts that a database joins to send them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, np.dtype[np.int64]]

SEPARATOR: Final = "\x02"
"""Neither keys nor JSON texts contain control characters."""


class FoundTasks(NamedTuple):
    """Rows whose keys tasks have: their positions in the batch, and the tasks' ids.

    ``differing`` are the positions of those whose JSON object is not the text of their task, which
    ``before`` holds, and ``withdrawn_ids`` the ids of tasks that are withdrawn.
    """

    positions: "Numbers"
    task_ids: "Numbers"
    differing: "Numbers"
    before: Sequence[str]
    withdrawn_ids: "Numbers"

    def at(self, places: "Numbers") -> "FoundTasks":
        """Return the same for the batch of which this one held the rows at ``places``."""
        return self._replace(positions=places[self.positions], differing=places[self.differing])


def join(texts: pa.Array) -> bytes:
    """Return the texts as one, in UTF-8; Arrow joins and encodes them faster than Python."""
    return bytes(_join(texts))


def are_joined(texts: pa.Array, joined: bytes) -> bool:
    """Return whether ``joined`` is these texts as one."""
    return bool(_join(texts).equals(pa.py_buffer(joined)))


def _join(texts: pa.Array) -> pa.Buffer:
    whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return pc.binary_join(whole, SEPARATOR)[0].as_buffer()


def split(joined: bytes) -> pa.Array:
    """Return the texts of which at least one was joined."""
    ends = pa.py_buffer(np.array([0, len(joined)], np.int32))
    whole = pa.StringArray.from_buffers(1, ends, pa.py_buffer(joined))
    return pc.split_pattern(whole, SEPARATOR).flatten()


def find_differing(
    joined: bytes, predefined: pa.Array, positions: "Numbers"
) -> "tuple[Numbers, list[str]]":
    """Compare the joined texts of tasks with the rows at ``positions``.

    Returns the positions of rows that differ, and the texts of their tasks.
    """
    is_all = np.array_equal(positions, np.arange(len(predefined)))
    after = predefined if is_all else predefined.take(pa.array(positions))
    if are_joined(after, joined):
        return np.array([], np.int64), []
    before = split(joined)
    differs = pc.not_equal(before, after)
    return positions[differs.to_numpy(zero_copy_only=False)], before.filter(differs).to_pylist()
