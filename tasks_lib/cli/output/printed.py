"""The end of a command that has printed its error, such as the report of a rejection, already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tasks_lib.errors import RejectedError, SeedingError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks_lib.domain.report import ReportError

_CANNOT_BE_OPENED: Final = frozenset(
    {"source_forbidden", "source_is_directory", "source_not_found", "source_unsupported"}
)


class PrintedError(SeedingError):
    """The command has printed what is wrong; only its exit status is left to set."""

    code = "printed"

    def __init__(self, status: int) -> None:
        super().__init__("see what the command has printed")
        self.status = status


def exit_status_of(problems: Sequence[ReportError]) -> int:
    """Return the exit status of a rejection.

    A source that cannot be opened is a mistake in the command, as a wrong name is; nothing in it
    was checked.
    """
    is_usage = any(problem.code in _CANNOT_BE_OPENED for problem in problems)
    return UsageError.exit_status if is_usage else RejectedError.exit_status
