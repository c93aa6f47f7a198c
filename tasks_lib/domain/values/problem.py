"""The error of a text that is not a value of its field."""

from typing import Final, NoReturn

from tasks_lib.domain.names import shortened
from tasks_lib.errors import RejectedError

_MISSING: Final = frozenset(
    {"NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "null", "None", "\\N"}
)
"""How other programs write that there is no value."""

_CODES_OF_TYPES: Final = frozenset(
    {"invalid_integer", "invalid_number", "invalid_boolean", "invalid_date", "invalid_datetime"}
)


class ValueProblemError(RejectedError):
    """A text is not a value of the field; the message continues a sentence that names the field."""

    def __init__(self, code: str, message: str) -> None:
        Exception.__init__(self, message)  # one call less: bad values can come by the million
        self.code = code


def refuse(code: str, text: str, reason: str) -> NoReturn:
    """Raise ValueProblemError: the text, and why it is no value of the field."""
    is_missing = text in _MISSING and code in _CODES_OF_TYPES
    advice = "; leave the cell empty if there is no value" if is_missing else ""
    raise ValueProblemError(code, f"{shortened(text)} {reason}{advice}")
