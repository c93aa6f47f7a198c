"""Read single values of a body in JSON, without Arrow, which only lists of tasks need."""

from typing import Final

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import spell_value
from tasks_lib.domain.names import visible
from tasks_lib.domain.values.json_text import refuse_shape
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import MalformedBodyError
from tasks_lib.intake.api_tasks.json_bodies import (
    CLOSE_BYTES,
    Members,
    doubled_key,
    write_plain,
)

BY_ELEMENTS: Final = frozenset({FieldType.JSON, FieldType.MULTI_SELECT, FieldType.FILE})
"""Field types whose values are arrays or objects."""

_MOST_ESCAPED: Final = 6
"""The number of bytes in JSON that may stand for one."""


def check_size(size: int, limits: Limits) -> None:
    """Raise MalformedBodyError if the documents of a request have more bytes than are allowed.

    One value as large as a cell may be is always allowed.
    """
    most = max(limits.max_document_bytes, limits.max_cell_bytes)
    if size > most:
        raise MalformedBodyError(
            "the JSON documents and lists of options of the request have more than "
            f"{most:,} bytes; send it in parts",
            code="body_too_large",
        )


def spell_member(row: Members, field: Field, max_bytes: int) -> str:
    """Return the cell of a field that the object has, as ``spell_value`` would return it.

    A value is parsed only if its size and its kind allow that it fits. Raises ValueProblemError.
    """
    raw, kind = row.raw(field.name), row.kind(field.name)
    if len(raw) > max_bytes and kind is not str:
        raise ValueProblemError("cell_too_large", size_message(len(raw), max_bytes))
    if kind in {dict, list}:
        written = _spell_container(raw, kind, field)
        if written is not None:
            return written
    if kind is str and b"\\" not in raw and len(raw) > max_bytes + len('""'):
        raise ValueProblemError("cell_too_large", size_message(len(raw) - len('""'), max_bytes))
    if len(raw) > _MOST_ESCAPED * max_bytes + len('""'):
        message = f"has more bytes than the {max_bytes:,} that are allowed"
        raise ValueProblemError("cell_too_large", message)
    value = row[field.name]
    doubled = doubled_key(value) if b"{" in raw else None
    if doubled is not None:
        message = f"holds an object in which {visible(doubled)} occurs twice"
        raise ValueProblemError("invalid_json", message)
    if isinstance(value, str) and len(value) > max_bytes:
        raise ValueProblemError("cell_too_large", size_message(len(value.encode()), max_bytes))
    return spell_value(value, field)


def _spell_container(raw: bytes, kind: type, field: Field) -> str | None:
    """Return the cell of an array or an object; None if it must be parsed exactly for that."""
    is_large = len(raw) > CLOSE_BYTES
    if field.type not in BY_ELEMENTS and (is_large or write_plain(raw).written is not None):
        return spell_value(kind(), field)  # raises an error for any elements
    if field.type is not FieldType.JSON:
        return None
    if is_large:
        refuse_shape(raw.decode())
    plain = write_plain(raw)
    if is_large and not plain.has_unique_keys:
        message = "holds an object in which a key occurs twice"
        raise ValueProblemError("invalid_json", message)
    return plain.written


def size_message(size: int, limit: int) -> str:
    """Return the message of a value that is too large."""
    return f"has {size:,} bytes, {limit:,} are allowed"
