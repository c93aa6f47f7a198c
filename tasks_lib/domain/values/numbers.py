"""Numbers as texts: digit by digit, as other programs write them, and what is wrong with one."""

import math
import re
from decimal import Decimal
from typing import Final

INTEGER_LIMIT: Final = 2**63
OUT_OF_RANGE: Final = "outside the range of a 64-bit number"
INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
BARE_FRACTION: Final = re.compile(r"(-?)(\.[0-9]+(?:[eE][+-]?[0-9]+)?)")
_ROUNDED: Final = re.compile(r"[0-9](?:\.[0-9]+)?E\+[0-9]+")
"""How spreadsheets show a number that is too wide for its cell; its last digits can be lost."""

_SEPARATED: Final = re.compile(
    r"(?![+-]?[0-9]+\.[0-9]+$)[+-]?[0-9]+(?:[.,'\u2019 \u00a0\u202f][0-9]+)+"
)
LONG_EXPONENT: Final = re.compile(r"[eE][+-]?[0-9]{4}")


def whole_digits(text: str) -> str | None:
    """Return the digits of a whole number such as ``5.0`` and ``1e+05``; None for another text.

    A negative zero would lose its sign.
    """
    if not _is_whole(text) or abs(Decimal(text)) > INTEGER_LIMIT:
        return None
    number = int(Decimal(text))
    return str(number) if number or not text.startswith("-") else None


def why_no_integer(text: str) -> str:
    """Return the end of a sentence that says why a text is no integer."""
    if re.fullmatch(r"[+-]?[0-9]+", text) or _is_whole(text):
        if text.lstrip("+-").startswith("0") or text.startswith("+"):
            return "has a sign or zeros in front that would be lost; a text field keeps them"
        return "does not fit in 64 bits; a text field keeps it"
    if _ROUNDED.fullmatch(text.lstrip("-")):
        reason = (
            ": a spreadsheet may have rounded it; show all digits of the column there, and export "
            "it again"
        )
    elif NUMBER.fullmatch(text) and is_in_range(text):
        reason = ": it has decimals"
    else:
        reason = ": it has white space around it" if text != text.strip() else ""
    return f"is not a whole number such as 42 or -7{reason}"


def _is_whole(text: str) -> bool:
    """Return whether a float, as another program writes it, is a whole number to the last digit."""
    if not NUMBER.fullmatch(text) or _ROUNDED.fullmatch(text.lstrip("-")) or not is_in_range(text):
        return False
    number = Decimal(text)
    return number == number.to_integral_value()


def why_no_number(text: str) -> str:
    """Return the end of a sentence that says why a text is no number."""
    expected = "is not a number such as 12.5, -3 or 1e6"
    if _SEPARATED.fullmatch(text):
        return f"{expected}: only a point may be in it, before the decimals"
    return f"{expected}: it has white space around it" if text != text.strip() else expected


def is_in_range(number: str) -> bool:
    """Return whether a 64-bit float can hold the number; no float has a long exponent."""
    return not LONG_EXPONENT.search(number) and math.isfinite(float(number))
