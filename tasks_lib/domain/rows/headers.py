"""Match the header of a file with the fields that a seeding fills: exactly, in any order."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from tasks_lib.domain.fields import RESERVED_NAMES
from tasks_lib.domain.names import (
    is_nameless,
    letters_and_digits,
    nearest,
    shortened,
    visible,
    without_invisible,
)
from tasks_lib.errors import Problem

_MAX_SUGGESTIONS: Final = 20
"""With more unknown columns it is the wrong file rather than typing errors."""


def match_columns(columns: Sequence[str], expected: Sequence[str]) -> list[str]:
    """Return the columns, with the name of the field that each is beyond doubt.

    A column is a field that is missing otherwise if both look the same: invisible characters, kinds
    of space and spaces at the ends make no difference.
    """
    missing = Counter(without_invisible(name) for name in expected if name not in columns)
    others = Counter(without_invisible(name) for name in columns if name not in expected)
    by_looks = {without_invisible(name): name for name in expected if name not in columns}
    return [
        by_looks[looks]
        if column not in expected
        and missing[looks := without_invisible(column)] == 1
        and others[looks] == 1
        else column
        for column in columns
    ]


def check_header(
    columns: Sequence[str],
    expected: Sequence[str],
    *,
    noun: str = "dataset field of the pipeline",
    header: str = "the header",
) -> list[Problem]:
    """Return a problem for each column that is missing, unknown, duplicated or without a name.

    A column that differs from a missing one only in case and separators is one problem: rename it.
    ``noun`` names a known column in messages, and ``header`` the columns as a whole. The columns
    of a rejects file (``_row``, ``_errors``) are accepted and ignored.
    """
    positions: dict[str, list[int]] = {}
    for position, column in enumerate(columns, start=1):
        positions.setdefault(column, []).append(position)
    missing = [name for name in expected if name not in positions]
    known = {*expected, *RESERVED_NAMES}
    respelled: set[str] = set()
    problems: list[Problem] = []
    for column, places in positions.items():
        if is_nameless(column):
            problems.extend(nameless_column(column, place) for place in places)
            continue
        if column not in known:
            suggests = len(problems) < _MAX_SUGGESTIONS
            suggestion = nearest(column, missing or expected) if suggests else None
            problems.append(_unknown(column, noun, suggestion))
            if suggestion and letters_and_digits(column) == letters_and_digits(suggestion):
                respelled.add(suggestion)
        if len(places) > 1:
            problems.append(_doubled(column, places))
    problems.extend(
        Problem("missing_column", f"{header} lacks the column {visible(name)}", field=name)
        for name in missing
        if name not in respelled
    )
    return problems


def nameless_column(column: str, position: int, *, holds: str = "") -> Problem:
    """Return the problem of a column without a name; ``holds`` is a value in it."""
    shown = f": it holds only {visible(column)}" if column else ""
    by = " (index=False in pandas, row.names=FALSE in R)" if position == 1 else ""
    value = f"; it holds {shortened(holds)}: name the column, or leave it out{by}" if holds else ""
    return Problem("empty_column_name", f"column {position} has no name{shown}{value}")


def _unknown(column: str, noun: str, suggestion: str | None) -> Problem:
    hint = f"; did you mean {visible(suggestion)}?" if suggestion is not None else ""
    message = f"column {visible(column)} is not a {noun}{hint}"
    return Problem("unknown_column", message, field=column)


def _doubled(column: str, places: Sequence[int]) -> Problem:
    shown = ", ".join(map(str, places[:10])) + (", ..." if len(places) > 10 else "")
    message = f"column {visible(column)} occurs {len(places):,} times, at {shown}"
    return Problem("duplicate_column", message, field=column)
