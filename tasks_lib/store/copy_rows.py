"""Encode rows in PostgreSQL's binary COPY format, which spares the server the parsing of text.

The format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # loading them takes time, and what only reads needs neither
    import numpy as np
    import pyarrow as pa

COPY_START: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END: Final = struct.pack(">h", -1)


class Int4(int):
    """A number for a column of type integer; all others are bigint."""


def encode_rows(constants: Iterable[int | str], arrays: "Sequence[pa.Array]") -> "pa.BinaryArray":
    """Encode rows that begin with the same constants; an array holds the values of each column.

    The arrays are of integers, for columns of type bigint, or of texts, for text or json. They have
    no nulls.
    """
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    constants = tuple(constants)
    start = struct.pack(">h", len(constants) + len(arrays)) + b"".join(map(_encode, constants))
    count = len(arrays[0])
    parts: list[pa.Array] = []
    fixed = [np.broadcast_to(np.frombuffer(start, np.uint8), (count, len(start)))]
    for array in arrays:
        if pa.types.is_integer(array.type):
            eight = np.broadcast_to(np.frombuffer(struct.pack(">i", 8), np.uint8), (count, 4))
            fixed += [eight, _big_endian(_numbers(array), ">i8")]
        else:
            fixed.append(_big_endian(_numbers(pc.binary_length(array)), ">i4"))
            parts += [_join_fixed(fixed), array.cast(pa.binary())]
            fixed = []
    if fixed:
        parts.append(_join_fixed(fixed))
    # An argument b"" would load pandas, which takes longer than writing a few rows.
    nothing = pa.Array.from_buffers(pa.binary(), 1, [None, *map(pa.py_buffer, (bytes(8), b""))])[0]
    return pc.binary_join_element_wise(*parts, nothing)


def _encode(value: int | str) -> bytes:
    if isinstance(value, Int4):
        return struct.pack(">ii", 4, value)
    if isinstance(value, int):
        return struct.pack(">iq", 8, value)
    text = value.encode()
    return struct.pack(">i", len(text)) + text


def _numbers(array: "pa.Array") -> "np.ndarray[Any, Any]":
    """Return whole numbers over the same memory; ``to_numpy`` would load pandas."""
    import numpy as np  # noqa: PLC0415

    return np.from_dlpack(array)


def _big_endian(numbers: "np.ndarray[Any, Any]", dtype: str) -> "np.ndarray[Any, Any]":
    """Return the bytes of each number as a row."""
    import numpy as np  # noqa: PLC0415

    encoded = np.ascontiguousarray(numbers.astype(dtype))
    return encoded.view(np.uint8).reshape(len(encoded), encoded.itemsize)


def _join_fixed(pieces: "Sequence[np.ndarray[Any, Any]]") -> "pa.BinaryArray":
    """Return the bytes that every row has, each piece a column of as many bytes."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    rows = np.concatenate(pieces, axis=1)
    width = pa.binary(rows.shape[1])
    buffers = [None, pa.py_buffer(rows)]
    return pa.FixedSizeBinaryArray.from_buffers(width, len(rows), buffers).cast(pa.binary())
