"""Datasets of the Data Vault: what their columns may be called, and how they are typed."""

import unicodedata
from collections.abc import Collection, Sequence
from typing import Final

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.headers import check_header
from tasks_lib.domain.names import is_invisible, visible
from tasks_lib.domain.problems import Problem

MAX_COLUMN_NAME_LENGTH: Final = 200
_NUMBERS: Final = frozenset({FieldType.INTEGER, FieldType.NUMBER})
_STRINGS: Final = frozenset({FieldType.TEXT, FieldType.DATE, FieldType.DATETIME})
"""Types whose values are strings in JSON."""


def common_type(kinds: Collection[FieldType]) -> FieldType:
    """Return the narrowest type that holds values of all ``kinds``; text where there was none.

    Whole numbers are numbers, too, and dates are text; any other mixture is JSON.
    """
    found = set(kinds) or {FieldType.TEXT}
    if len(found) == 1:
        return found.pop()
    if found <= _NUMBERS:
        return FieldType.NUMBER
    return FieldType.TEXT if found <= _STRINGS else FieldType.JSON


def check_columns(names: Sequence[str]) -> list[Problem]:
    """Return a problem for each column of a table that has no name, or one not to be had."""
    problems = [
        Problem("invalid_column_name", f"column {visible(name)} {reason}")
        for name in dict.fromkeys(names)
        if (reason := why_no_name(name))
    ]
    return [*check_header(names, names), *problems]


def is_nameless(name: str) -> bool:
    """Tell whether there is nothing to be seen of a name."""
    return all(is_invisible(character) or character == " " for character in name)


def why_no_name(name: str) -> str:
    """Say why no column can have a name that can be seen; empty where one can."""
    if is_nameless(name):
        return ""
    if len(name) > MAX_COLUMN_NAME_LENGTH:
        return f"has a name longer than {MAX_COLUMN_NAME_LENGTH} characters"
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        return "has control characters in its name"
    return ""
