"""The problems of sources that exceed a limit, in the same words for every kind of source."""

from tasks_lib.domain.limits import Limits
from tasks_lib.errors import Problem


def too_many_columns(columns: str, limits: Limits) -> Problem:
    """Return the problem; ``columns`` is a clause such as ``the header has 2,000 columns``."""
    message = (
        f"{columns}, {limits.max_columns:,} are allowed; raise SEEDING_MAX_COLUMNS if that is meant"
    )
    return Problem("too_many_columns", message)


def source_too_large(subject: str, limits: Limits) -> Problem:
    """Return the problem; ``subject`` names the source."""
    message = (
        f"{subject} is larger than {limits.max_source_bytes:,} bytes; "
        "split it, or raise SEEDING_MAX_SOURCE_BYTES"
    )
    return Problem("source_too_large", message)


def row_too_large(limits: Limits, row: int | None, *, subject: str = "") -> Problem:
    """Return the problem of a row; ``subject`` names it where the row's number is not shown."""
    message = (
        f"{subject} is larger than {limits.max_row_bytes:,} bytes; "
        "raise SEEDING_MAX_ROW_BYTES if that is meant"
    )
    return Problem("row_too_large", message.lstrip(), row)


def too_many_errors(limits: Limits, first: Problem | None = None) -> Problem:
    """Return the problem of a source with too many bad rows; it quotes the first one if given."""
    message = (
        f"more than {limits.max_errors:,} rows are bad, so the rest was not read; "
        "correct what is common to them, or raise SEEDING_MAX_ERRORS"
    )
    if first is not None:
        message += f". The first: row {first.row:,}: {first.message}"
    return Problem("too_many_errors", message)
