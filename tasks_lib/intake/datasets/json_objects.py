"""Read one row of JSON: by the rule, or by a faster and narrower one.

The rule is that of ``tasks_lib.domain.values``. Rows that the narrower one accepts must pass the
rule, and a test verifies that.
"""

import re
from typing import Any, Final

import orjson

from tasks_lib.domain.fields import Field, FieldSource, FieldType
from tasks_lib.domain.names import shortened
from tasks_lib.domain.rows.json_rows import has_unique_keys, kind_of, parse_value
from tasks_lib.domain.values.json_text import MAX_JSON_DEPTH
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.domain.values.readers import reader_of

_BREAKS: Final = re.compile(r"[\t\r\n]")
_LONG_EXPONENT: Final = re.compile(r"[eE][+-]?[0-9]{4}")
_WHOLE_LIMIT: Final = 2.0**63
_read = reader_of(
    Field(name="row", type=FieldType.JSON, source=FieldSource.DATASET, required=False)
)


def read_object(text: str) -> tuple[str, dict[str, Any]]:
    """Return a row's text to store, and its members, whose numbers are Digits or Python's.

    Raises ValueProblemError if the text is not JSON, or JSON that cannot be stored.
    """
    members = certain_object(text)
    if members is None:
        members = parse_value(_read(text))
        if not isinstance(members, dict):
            message = f"{shortened(text)} is {kind_of(members)}, not an object"
            raise ValueProblemError("not_an_object", message)
    # In valid JSON, control characters are only between tokens, where a space means the same.
    return _BREAKS.sub(" ", text), members


def certain_object(text: str) -> dict[str, Any] | None:
    """Return the members if the text is certainly a valid object by the rule, else None."""
    try:
        members = orjson.loads(text)
        if type(members) is not dict or _may_be_doubtful(text, members):
            return None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return members


def _may_be_doubtful(text: str, members: dict[str, Any]) -> bool:
    """Return True if there may be duplicate keys, NUL, deep nesting, or numbers beyond a float."""
    return (
        not has_unique_keys(text.encode(), members)
        or "\\u0000" in text
        or text.count("{") + text.count("[") > MAX_JSON_DEPTH
        or _LONG_EXPONENT.search(text) is not None
        or any(type(value) is float and abs(value) >= _WHOLE_LIMIT for value in members.values())
    )
