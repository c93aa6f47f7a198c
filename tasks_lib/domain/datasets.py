"""Datasets of the Data Vault: the names and types of their columns."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.names import did_you_mean, is_nameless, visible
from tasks_lib.domain.rows.headers import check_header
from tasks_lib.errors import Problem, SourceProblemError

MAX_COLUMN_NAME_LENGTH: Final = 2_000
"""Longer than a field's name, as forms export whole questions."""

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NUMBERS: Final = frozenset({FieldType.INTEGER, FieldType.NUMBER})
_STRINGS: Final = frozenset({FieldType.TEXT, FieldType.DATE, FieldType.DATETIME})
"""Types whose values are strings in JSON."""


def common_type(kinds: Collection[FieldType]) -> FieldType:
    """Return the narrowest type that holds values of all ``kinds``; text if there are none.

    Integers and numbers are numbers, dates and texts are text; any other mixture is JSON.
    """
    types = set(kinds) or {FieldType.TEXT}
    if len(types) == 1:
        return types.pop()
    if types <= _NUMBERS:
        return FieldType.NUMBER
    return FieldType.TEXT if types <= _STRINGS else FieldType.JSON


def check_columns(names: Sequence[str]) -> list[Problem]:
    """Return a problem for each column whose name is missing, duplicated or not allowed."""
    problems = [
        Problem("invalid_column_name", f"column {visible(name)} {reason}")
        for name in dict.fromkeys(names)
        if (reason := why_no_name(name))
    ]
    return [*check_header(names, names), *problems]


class NamedColumn(NamedTuple):
    """A column of a header: its name in the dataset, and a warning if the header says another."""

    name: str
    warning: str = ""
    is_nameless: bool = False


def name_columns(header: Sequence[str]) -> list[NamedColumn]:
    """Return a distinct name for each column of a header, also of one that a spreadsheet wrote.

    A column without a name is numbered by its position, and one of several of the same name by its
    turn. Line breaks and other control characters become a space.
    """
    cleaned = [_CONTROLS.sub(" ", name).strip() if _has_control(name) else name for name in header]
    taken = {name for name in cleaned if not is_nameless(name)}
    used: set[str] = set()
    columns: list[NamedColumn] = []
    for position, (written, name) in enumerate(zip(header, cleaned, strict=True), start=1):
        if is_nameless(name):
            numbered = _free_name("column_", position, taken)
            warning = f"column {position} has no name and is called {visible(numbered)}"
            column = NamedColumn(numbered, warning, is_nameless=True)
        elif name in used:
            numbered = _free_name(f"{name} ", 2, taken)
            warning = f"column {position} is the second or a later {visible(name)}"
            column = NamedColumn(numbered, f"{warning} and is called {visible(numbered)}")
        elif name != written:
            warning = f"the name of column {position} holds a line break or another control"
            column = NamedColumn(name, f"{warning} character and is now {visible(name)}")
        else:
            column = NamedColumn(name)
        taken.add(column.name)
        used.add(column.name)
        columns.append(column)
    return columns


def _has_control(name: str) -> bool:
    return _CONTROLS.search(name) is not None


def _free_name(start: str, number: int, taken: Collection[str]) -> str:
    while f"{start}{number}" in taken:
        number += 1
    return f"{start}{number}"


def pick_columns(names: Sequence[str], wanted: Collection[str]) -> list[str]:
    """Return the ``wanted`` names in the order of ``names``, or all if none is wanted.

    Raises SourceProblemError for one that is not there.
    """
    problems = [
        Problem(
            "missing_column",
            f"the file has no column {visible(name)}{did_you_mean(name, names)}",
            field=name,
        )
        for name in dict.fromkeys(wanted)
        if name not in names
    ]
    if problems:
        raise SourceProblemError(*problems)
    return [name for name in names if name in wanted] if wanted else list(names)


def why_no_name(name: str) -> str:
    """Return why a name is not allowed; empty if it is, or if it is invisible."""
    if is_nameless(name):
        return ""
    if len(name) > MAX_COLUMN_NAME_LENGTH:
        return f"has a name longer than {MAX_COLUMN_NAME_LENGTH:,} characters"
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        return "has control characters in its name"
    return ""
