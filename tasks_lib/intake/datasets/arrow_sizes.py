"""Estimate how long values are as JSON, without converting them.

A few bytes of Parquet can stand for gigabytes: a text that is referred to a million times, or a
list of as many zeros. Such a row is rejected before it is written out.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Sizes = npt.NDArray[np.int64]

_HAS_LENGTH = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary,
               pa.types.is_large_binary, pa.types.is_fixed_size_binary)  # fmt: skip
_IS_VIEW = {pa.types.is_string_view: pa.large_string(), pa.types.is_binary_view: pa.large_binary()}
_IS_LIST = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list,
            pa.types.is_list_view, pa.types.is_large_list_view, pa.types.is_map)  # fmt: skip


def least_sizes(array: pa.Array) -> Sizes:
    """Return for each value how many bytes it has as JSON at least."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return least_sizes(array.storage)
    if any(has_length(kind) for has_length in _HAS_LENGTH):
        return _whole(pc.binary_length(array))
    for is_view, whole in _IS_VIEW.items():
        if is_view(kind):
            return least_sizes(array.cast(whole))
    if pa.types.is_dictionary(kind):
        sizes = pa.array(least_sizes(array.dictionary))
        return _whole(sizes.take(array.indices))
    if any(is_list(kind) for is_list in _IS_LIST):
        return _sizes_of_lists(array)
    sizes = np.ones(len(array), dtype=np.int64)
    if pa.types.is_struct(kind):
        for member in array.flatten():
            sizes += least_sizes(member)
    return sizes


def _sizes_of_lists(array: pa.Array) -> Sizes:
    if pa.types.is_map(array.type):
        entries = pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])
        array = array.cast(pa.list_(entries))
    ends = np.cumsum(_whole(pc.list_value_length(array)))
    # An item and the comma after it have at least two bytes.
    items = np.maximum(least_sizes(array.flatten()), 1) + 1
    up_to = np.concatenate([[0], np.cumsum(items)])
    return np.diff(up_to[ends], prepend=0)


def _whole(numbers: pa.Array) -> Sizes:
    sizes: Sizes = numbers.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return sizes
