"""The report that every seeding returns, and the command line prints."""

from typing import Final

from pydantic import BaseModel, ConfigDict

from tasks_lib.domain.names import counted, display_name, shortened
from tasks_lib.domain.problems import Problem
from tasks_lib.errors import RejectedError

MAX_INLINE_ERRORS: Final = 100
"""Errors beyond these stand only in the rejects file."""


class ReportError(BaseModel):
    """One problem; ``row`` is the 1-based data row, null where the file as a whole is meant."""

    model_config = ConfigDict(frozen=True)

    row: int | None
    field: str | None
    code: str
    message: str

    @classmethod
    def of(cls, problem: Problem) -> "ReportError":
        """Make the report's form of a problem."""
        code, message, row, field = problem
        return cls(row=row, field=field, code=code, message=message)

    def __str__(self) -> str:
        place = "" if self.row is None else f"row {self.row:,}"
        if self.field is not None and self.row is not None:
            place += f", {self.field}"
        return f"{place}: {self.message}" if place else self.message


class Report(BaseModel):
    """What one seeding did; under ``dry_run``, what it would have done."""

    model_config = ConfigDict(frozen=True)

    group_id: int | None = None
    pipeline_id: int
    created: int = 0
    rejected: int = 0
    already_seeded: int = 0
    dry_run: bool = False
    source: str
    rejects_uri: str | None = None
    errors: tuple[ReportError, ...] = ()

    @property
    def is_rejection(self) -> bool:
        """Whether validation turned the source away, so that it made nothing."""
        return bool(self.errors) and not self.created and not self.already_seeded

    @property
    def sentence(self) -> str:
        """What happened, for a person, in one sentence."""
        name = shortened(display_name(self.source), 80)
        if self.group_id is not None and self.already_seeded and not self.created:
            return (
                f"{name} was seeded before: group {self.group_id} holds its "
                f"{counted(self.already_seeded, 'task')}, so nothing was created."
            )
        if self.is_rejection:
            rows = f" {counted(self.rejected, 'row')} rejected;" if self.rejected else ""
            first = f"{self.errors[0]}"
            more = len(self.errors) - 1
            at_least = "at least " if len(self.errors) == MAX_INLINE_ERRORS else ""
            others = f" (and {at_least}{more} more)" if more else ""
            told = f"{name} was rejected, nothing was created:{rows} {first}{others}"
            return told if told.endswith((".", "?")) else f"{told}."
        verb = "would create" if self.dry_run else "created"
        skipped = f", {counted(self.rejected, 'row')} rejected" if self.rejected else ""
        place = f" in group {self.group_id}" if self.group_id is not None else ""
        known = f", {self.already_seeded:,} were there already" if self.already_seeded else ""
        return f"{name} {verb} {counted(self.created, 'task')}{place}{skipped}{known}."


class SourceRejectedError(RejectedError):
    """A source of tasks was turned away; ``report`` says why, row by row."""

    code = "source_rejected"

    def __init__(self, report: Report) -> None:
        super().__init__(report.sentence)
        self.report = report

    def __reduce__(self) -> tuple[type["SourceRejectedError"], tuple[Report]]:
        return type(self), (self.report,)
