"""Patterns of values that are certainly valid, for cheap tests of many values at once.

A value that matches is valid, and its text is stored as it is; other values need the field's
reader. The syntax is common to Python, RE2 and PostgreSQL; a pattern is for a whole text.
"""

from typing import Final

from tasks_lib.domain.fields import FieldType

_DAY: Final = (
    r"(?:[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|[1-9][0-9](?:0[48]|[2468][048]|[13579][26])-02-29)"
)
_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
_OFFSET: Final = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"

CERTAIN_PATTERNS: Final = {
    FieldType.INTEGER: r"0|-?[1-9][0-9]{0,17}",
    FieldType.NUMBER: r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]+)?",
    FieldType.DATE: _DAY,
    FieldType.DATETIME: f"{_DAY}[T ]{_TIME}{_OFFSET}",
    FieldType.URL: r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?:/[!-Z_a-z~]*)?",
}
