"""Match a file's header against the fields that a seeding fills: exactly, in any order."""

from collections.abc import Sequence
from typing import Final

from tasks_lib.domain.fields import RESERVED_NAMES
from tasks_lib.domain.names import did_you_mean, is_invisible, visible
from tasks_lib.domain.problems import Problem

_MAX_SUGGESTIONS: Final = 20
"""More unknown columns than these have no typing error each, but the wrong file in common."""


def check_header(columns: Sequence[str], expected: Sequence[str]) -> list[Problem]:
    """Return a problem for each column that is missing, unknown, doubled or without a name.

    The columns of a rejects file (``_row``, ``_errors``) are accepted and mean nothing.
    """
    positions: dict[str, list[int]] = {}
    for position, column in enumerate(columns, start=1):
        positions.setdefault(column, []).append(position)
    missing = [name for name in expected if name not in positions]
    known = {*expected, *RESERVED_NAMES}
    problems: list[Problem] = []
    for column, places in positions.items():
        if _is_nameless(column):
            problems.extend(_nameless(column, place) for place in places)
            continue
        if column not in known:
            suggests = len(problems) < _MAX_SUGGESTIONS
            problems.append(_unknown(column, (missing or expected) if suggests else ()))
        if len(places) > 1:
            problems.append(_doubled(column, places))
    problems.extend(
        Problem("missing_column", f"the header lacks the column {visible(name)}", field=name)
        for name in missing
    )
    return problems


def _is_nameless(column: str) -> bool:
    return all(is_invisible(character) or character == " " for character in column)


def _nameless(column: str, position: int) -> Problem:
    shown = f": it holds only {visible(column)}" if column else ""
    return Problem("empty_column_name", f"column {position} has no name{shown}")


def _unknown(column: str, candidates: Sequence[str]) -> Problem:
    hint = did_you_mean(column, candidates)
    message = f"column {visible(column)} is no dataset field of the pipeline{hint}"
    return Problem("unknown_column", message, field=column)


def _doubled(column: str, places: Sequence[int]) -> Problem:
    shown = ", ".join(map(str, places[:10])) + (", ..." if len(places) > 10 else "")
    message = f"column {visible(column)} stands {len(places):,} times, at {shown}"
    return Problem("duplicate_column", message, field=column)
