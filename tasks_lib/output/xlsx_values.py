"""Values of JSON as cells of Excel, which hold less: 15 digits, and no day before 1900."""

from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from tasks_lib.domain.fields import FieldType

Cell = str | float | bool | date | None

_DIGITS: Final = 15
_FIRST_DAY: Final = date(1900, 3, 1)
"""Excel takes 1900 for a leap year; later days are what they are elsewhere."""


def value_of(raw: bytes, kind: FieldType) -> Cell:
    """Return a value, given as JSON, as one that Excel keeps as it is.

    Days are dates; moments, lists and objects are texts, and so are numbers of too many digits.
    """
    match raw[:1]:
        case b"n":
            return None
        case b"t" | b"f":
            return raw == b"true"
        case b'"':
            text: str = msgspec.json.decode(raw)
            return _day(text) if kind is FieldType.DATE else text
        case b"[" | b"{":
            return raw.decode()
    number = Decimal(raw.decode())
    # The digits of a number in Excel are those of a float.
    is_kept = len(number.normalize().as_tuple().digits) <= _DIGITS and abs(number) < 10**_DIGITS
    return float(number) if is_kept else raw.decode()


def _day(text: str) -> str | date:
    day = date.fromisoformat(text)
    return day if day >= _FIRST_DAY else text
