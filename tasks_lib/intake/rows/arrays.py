"""Make and read Arrow arrays without pandas, which ``pa.array`` and ``to_numpy`` load.

Loading it takes 0.2 s, longer than seeding a small file, and 40 MB.
"""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow.lib import StringBuilder

if TYPE_CHECKING:
    Numbers = np.ndarray[Any, Any]


def text_array(texts: Sequence[str | None]) -> pa.Array:
    """Return an array of texts: 0.1 s more for a million of them than ``pa.array`` takes."""
    builder = StringBuilder()
    builder.append_values(texts)
    return builder.finish()


def text_scalar(text: str) -> pa.Scalar:
    """Return the text as Arrow's functions take it; they would turn a ``str`` into it."""
    return text_array([text])[0]


def number_array(numbers: "Numbers") -> pa.Array:
    """Return an array over the memory of whole numbers of 64 bits."""
    buffers = [None, pa.py_buffer(np.ascontiguousarray(numbers, dtype=np.int64))]
    return pa.Array.from_buffers(pa.int64(), len(numbers), buffers)


def mask_array(flags: "Numbers") -> pa.Array:
    """Return an array of booleans."""
    bits = pa.py_buffer(np.packbits(flags, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, bits])


def number_scalar(number: float) -> pa.Scalar:
    """Return a number as Arrow's functions take it: of 64 bits, whole or with a fraction."""
    is_whole = isinstance(number, int)
    packed = pa.py_buffer(struct.pack("=q" if is_whole else "=d", number))
    return pa.Array.from_buffers(pa.int64() if is_whole else pa.float64(), 1, [None, packed])[0]


def read_numbers(array: pa.Array) -> "Numbers":
    """Return the whole numbers of an array without nulls, over the same memory."""
    return np.from_dlpack(array)
