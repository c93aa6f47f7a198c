"""Convert Python values to cells: the one table for DataFrames, Arrow tables and dicts.

==========================  ==================================================================
Value                       Cell
==========================  ==================================================================
None, NaN, NaT, ``<NA>``    empty, which is null in an optional field
``str``                     as it is; for ``json`` and ``multi_select`` as in a CSV file
``bool``                    ``true`` or ``false``
``int``                     its digits
``float``                   the fewest digits that identify it, in its own precision
``Decimal``                 all of its digits
``datetime``, Timestamp     ISO 8601, with the offset of its time zone if it has one
``date``, ``time``          ISO 8601
``UUID``, IP addresses      as they are written
list, tuple, array, dict    JSON
==========================  ==================================================================

NumPy's scalars are converted as Python's. A value that would change on the way is a problem of its
row: an infinite float; a float in a field of text, because 101 and 101.0 are different texts; a
float of 2**53 or more in a field of integers, because integers are rounded there;
and values of all other types.
"""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final
from uuid import UUID

import numpy as np
import pyarrow as pa

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.mapping.conversions import FITS
from tasks_lib.domain.names import is_storable, shortened
from tasks_lib.domain.rows.json_rows import Digits, json_text
from tasks_lib.domain.values.problem import ValueProblemError

EXACT_FLOATS: Final = 2.0**53
"""Below this every whole number has a float of its own."""

WHOLE_NUMBERS: Final = 'convert whole numbers with gaps by astype("Int64"), others by astype(str)'

_AS_TEXT: Final = frozenset(
    {FieldType.TEXT, FieldType.LONG_TEXT, FieldType.SINGLE_SELECT, FieldType.MULTI_SELECT}
)
_NO_VALUES: Final = frozenset({"NoneType", "NAType", "NaTType"})
_ARTICLES: Final = {
    FieldType.BOOLEAN: "a boolean",
    FieldType.INTEGER: "an integer",
    FieldType.NUMBER: "a number",
    FieldType.DATE: "a date",
    FieldType.DATETIME: "a date and time",
    FieldType.JSON: "a list or a dict",
}


def cell_of_value(value: Any, field: Field) -> str:
    """Return the cell of a value for a field; raise ValueProblemError if it has none."""
    if type(value).__name__ in _NO_VALUES:
        return ""
    if isinstance(value, str):
        return _storable(str.__str__(value))
    if isinstance(value, float | np.floating):
        return _cell_of_float(value, field)
    kind, plain = _read(value)
    if plain is None:
        return ""
    if not takes(field, kind):
        message = f"{shortened(str(value))} is {_ARTICLES[kind]}, {not_taken(field)}"
        raise ValueProblemError("wrong_type", message)
    return _storable(_spell(plain, field))


def takes(field: Field, kind: FieldType) -> bool:
    """Return whether a field can take values of a kind; of a date and time it can be midnight."""
    return field.type in FITS[kind] or (kind, field.type) == (FieldType.DATETIME, FieldType.DATE)


def not_taken(field: Field) -> str:
    """Return the clause that says that a field does not take a value."""
    return f"which a field of type {field.type} does not take"


def _cell_of_float(value: Any, field: Field) -> str:
    if math.isnan(value):
        return ""
    text = spell_float(value)
    problem = why_no_float(float(value), text, field)
    if problem is not None:
        raise problem
    return text


def why_no_float(value: float, text: str, field: Field) -> ValueProblemError | None:
    """Return the problem of a float in a field, or None if it keeps its value there."""
    if math.isinf(value):
        return ValueProblemError("unsupported_value", f"{text} is not a number in JSON")
    if field.type in _AS_TEXT:
        return ValueProblemError("wrong_type", f"{text} is a float; {WHOLE_NUMBERS}")
    if not takes(field, FieldType.NUMBER):
        return ValueProblemError("wrong_type", f"{text} is a float, {not_taken(field)}")
    if field.type is FieldType.INTEGER and abs(value) >= EXACT_FLOATS:
        reason = f"{text} is a float of 2**53 or more, where integers are rounded"
        return ValueProblemError("invalid_integer", f'{reason}; use a column of type "Int64"')
    return None


def spell_float(value: Any) -> str:
    """Return the fewest digits that identify a float, as Arrow writes whole columns of them."""
    narrow = isinstance(value, np.floating) and value.dtype.itemsize <= 4
    return str(pa.scalar(value, pa.float32() if narrow else pa.float64()).cast(pa.string()))


def _read(value: Any) -> tuple[FieldType, Any]:
    """Return the kind of a value, and its form as a value for ``json_text``."""
    for kinds, kind, read in _READERS:
        if isinstance(value, kinds):
            try:
                return kind, read(value)
            except RecursionError:
                message = "is nested too deep to be written"
                raise ValueProblemError("invalid_json", message) from None
    raise ValueProblemError(
        "unsupported_value",
        f"holds {type(value).__name__}, for which there is no form; convert it to text",
    )


def _number(value: Decimal) -> Digits | None:
    if value.is_nan():
        return None
    if not value.is_finite():
        raise ValueProblemError("unsupported_value", f"{value} is not a number in JSON")
    return Digits(f"{value:f}")


def _moment(value: datetime) -> str:
    """Return ISO 8601, whose offsets have no seconds: a moment that has some is given in UTC."""
    offset = value.utcoffset()
    return (value.astimezone(UTC) if offset and offset.seconds % 60 else value).isoformat()


def _array(value: Any) -> Any:
    return _inside(value.tolist())


def _inside(value: Any) -> Any:
    """Return a value inside a list or a dict."""
    if type(value).__name__ in _NO_VALUES:
        return None
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float | np.floating):
        if math.isnan(value):
            return None
        if math.isinf(value):
            raise ValueProblemError("unsupported_value", f"{value} is not a number in JSON")
        return Digits(spell_float(value))
    return _read(value)[1]


def _object(value: dict[Any, Any]) -> dict[str, Any]:
    for name in value:
        if not isinstance(name, str):
            message = f"holds a dict with the key {shortened(repr(name))}, which is not text"
            raise ValueProblemError("unsupported_value", message)
    return {str(name): _inside(item) for name, item in value.items()}


_READERS: Final[tuple[tuple[Any, FieldType, Callable[[Any], Any]], ...]] = (
    (bool | np.bool_, FieldType.BOOLEAN, bool),
    (int | np.integer, FieldType.INTEGER, lambda value: Digits(int(value))),
    (Decimal, FieldType.NUMBER, _number),
    (datetime, FieldType.DATETIME, _moment),
    (date, FieldType.DATE, lambda value: value.isoformat()),
    (time | UUID | IPv4Address | IPv6Address, FieldType.TEXT, str),
    (list | tuple, FieldType.JSON, lambda value: [_inside(item) for item in value]),
    (dict, FieldType.JSON, _object),
    (np.ndarray, FieldType.JSON, _array),
)
"""The order matters: a bool is an int, and a datetime is a date."""


def _spell(plain: Any, field: Field) -> str:
    """Return the cell of a value other than a string or a float."""
    if field.type is FieldType.MULTI_SELECT:
        return _spell_options(plain)
    if field.type is FieldType.JSON:
        return json_text(plain)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return str(plain)


def _spell_options(plain: Any) -> str:
    if not isinstance(plain, list):
        text = ("true" if plain else "false") if isinstance(plain, bool) else str(plain)
        return json_text([text])
    if not all(isinstance(option, str) and not isinstance(option, Digits) for option in plain):
        raise ValueProblemError("wrong_type", "holds a list whose items are not all text")
    return json_text(plain) if plain else ""


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueProblemError(
            "unsupported_value", "holds a NUL character or half of a surrogate pair"
        )
    return text
