"""Read the keys of many tasks at once, most of them by a pattern.

The JSON objects of a pipeline's tasks begin with its fields in their order. A pattern finds the
values of the key fields there, as long as no value before them has members of its own. A value that
holds an escape, and anything else that the pattern does not match, is read one by one; a test
verifies that both ways give the same keys.
"""

import re
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.rows.keys import MAX_KEY_CHARACTERS, key_of

KeyReader = Callable[[pa.Array], pa.Array]
"""Takes the JSON objects of tasks (strings); returns their keys (strings)."""

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_PLAIN_STRINGS: Final = frozenset(
    {
        FieldType.TEXT,
        FieldType.LONG_TEXT,
        FieldType.URL,
        FieldType.DATE,
        FieldType.SINGLE_SELECT,
    }
)
_KEY_PATTERNS: Final = {
    FieldType.INTEGER: r"0|-?[1-9][0-9]*",
    FieldType.BOOLEAN: "true|false",
} | dict.fromkeys(_PLAIN_STRINGS, r'"[^"\\]*"')
"""Texts of values that are canonical as they stand."""

_SKIPPED: Final = {
    FieldType.MULTI_SELECT: rf"\[(?:{_STRING},?)*\]|null",
} | dict.fromkeys(
    frozenset(FieldType) - {FieldType.JSON, FieldType.FILE, FieldType.MULTI_SELECT},
    rf"{_STRING}|[^,\"}}]*",
)


def key_reader(fields: Sequence[Field], key: Sequence[str]) -> KeyReader:
    """Return the function that reads the keys of tasks with these dataset fields."""
    read = key_of(fields, key)
    pattern = _pattern_of(fields, key)

    def read_all(values: pa.Array) -> pa.Array:
        if pattern is None:
            return pa.array(list(map(read, values.to_pylist())), pa.string())
        found = pc.extract_regex(values, pattern)
        parts = [found.field(f"k{place}") for place in range(len(key))]
        keys = pc.binary_join_element_wise(
            "[", pc.binary_join_element_wise(*parts, ","), "]", "", null_handling="emit_null"
        )
        if found.null_count:  # extract_regex makes the row null, not its members
            keys = pc.if_else(pc.is_valid(found), keys, None)
        is_short = pc.less_equal(pc.utf8_length(keys), MAX_KEY_CHARACTERS)
        is_other = pc.invert(pc.fill_null(is_short, fill_value=False))
        if not pc.any(is_other).as_py():
            return keys
        others = [read(text) for text in values.filter(is_other).to_pylist()]
        return pc.replace_with_mask(keys, is_other, pa.array(others, pa.string()))

    return read_all


def _pattern_of(fields: Sequence[Field], key: Sequence[str]) -> str | None:
    """Return the pattern of an object's beginning, up to the last key field; None if none fits."""
    pattern, before, left = "", r"^\{", set(key)
    for field in fields:
        name = re.escape(encode_basestring(field.name))
        if field.name in key:
            if field.type not in _KEY_PATTERNS:
                return None
            value = f"(?P<k{key.index(field.name)}>{_KEY_PATTERNS[field.type]})"
        elif field.type in _SKIPPED:
            value = f"(?:{_SKIPPED[field.type]})"
        else:
            return None
        pattern += f"{before}{name}:{value}"
        before = ","
        left.discard(field.name)
        if not left:
            return pattern + "[,}]"
    return None
