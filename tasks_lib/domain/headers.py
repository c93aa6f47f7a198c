"""Match a file's header against the fields that a seeding fills: exactly, in any order."""

from collections import Counter
from collections.abc import Sequence

from tasks_lib.domain.fields import RESERVED_NAMES
from tasks_lib.domain.names import did_you_mean, is_invisible, visible
from tasks_lib.domain.problems import Problem


def check_header(columns: Sequence[str], expected: Sequence[str]) -> list[Problem]:
    """Return a problem for each column that is missing, unknown, doubled or without a name.

    The columns of a rejects file (``_row``, ``_errors``) are accepted and mean nothing.
    """
    problems: list[Problem] = []
    present = set(columns)
    missing = [name for name in expected if name not in present]
    for position, column in enumerate(columns, start=1):
        if column == "" or all(is_invisible(c) or c == " " for c in column):
            shown = "" if column == "" else f": it holds only {visible(column)}"
            message = f"column {position} has no name{shown}"
            problems.append(Problem("empty_column_name", message))
        elif column not in expected and column not in RESERVED_NAMES:
            hint = did_you_mean(column, missing or expected)
            message = f"column {visible(column)} is no dataset field of the pipeline{hint}"
            problems.append(Problem("unknown_column", message, field=column))
    for column, count in Counter(columns).items():
        if count > 1 and column != "":
            positions = [str(i) for i, name in enumerate(columns, start=1) if name == column]
            message = f"column {visible(column)} stands {count} times, at {', '.join(positions)}"
            problems.append(Problem("duplicate_column", message, field=column))
    for name in missing:
        message = f"the header lacks the column {visible(name)}"
        problems.append(Problem("missing_column", message, field=name))
    return problems
