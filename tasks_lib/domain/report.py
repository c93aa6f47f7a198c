"""The report of a seeding: the flow returns it, the command line prints it, the API answers it."""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from tasks_lib.domain.names import counted, display_name, other_problems, shortened
from tasks_lib.errors import Problem, RejectedError

MAX_INLINE_ERRORS: Final = 100
"""The rejects file holds the errors beyond these."""


class ReportError(BaseModel):
    """One problem; `row` is the 1-based data row, null if the problem is about the whole source."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    row: Annotated[
        int | None, Field(description="The data row, counted from 1; null for the whole file.")
    ]
    field: Annotated[str | None, Field(description="The column or field, if it is about one.")]
    code: Annotated[str, Field(description="A stable code.")]
    message: Annotated[str, Field(description="One sentence.")]

    @classmethod
    def of(cls, problem: Problem) -> "ReportError":
        """Return the report's form of a problem."""
        return cls(row=problem.row, field=problem.field, code=problem.code, message=problem.message)

    def __str__(self) -> str:
        place = "" if self.row is None else f"row {self.row:,}"
        if self.field is not None and self.row is not None:
            place += f", {self.field}"
        return f"{place}: {self.message}" if place else self.message


def problems_of(errors: Sequence[ReportError]) -> tuple[Problem, ...]:
    """Return the problems that a report lists."""
    return tuple(Problem(error.code, error.message, error.row, error.field) for error in errors)


class Report(BaseModel):
    """The result of one seeding; with `dry_run`, the result that it would have had."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    group_id: Annotated[
        int | None, Field(description="The group with the tasks; null if there is none.")
    ] = None
    pipeline_id: Annotated[int, Field(description="The pipeline that was seeded.")]
    created: Annotated[int, Field(description="Number of tasks created.")] = 0
    rejected: Annotated[int, Field(description="Number of rows rejected.")] = 0
    already_seeded: Annotated[
        int, Field(description="Number of rows whose tasks existed already.")
    ] = 0
    changed: Annotated[
        int,
        Field(description="Number of rows whose key a task has already, with other values."),
    ] = 0
    updated: Annotated[
        int, Field(description="Number of those whose task has taken the new values.")
    ] = 0
    withdrawn: Annotated[
        int, Field(description="Number of tasks withdrawn, because a full source lacks their rows.")
    ] = 0
    dry_run: Annotated[bool, Field(description="Whether nothing was written.")] = False
    source: Annotated[str, Field(description="The source as it was named.")]
    rejects_uri: Annotated[
        str | None, Field(description="The rejects file; null if no rows were rejected.")
    ] = None
    errors: Annotated[
        tuple[ReportError, ...], Field(description="The first problems, at most 100.")
    ] = ()

    @property
    def is_rejection(self) -> bool:
        """Whether validation rejected the source, so that nothing was created."""
        return bool(self.errors) and not (self.created or self.already_seeded or self.changed)

    @property
    def is_news(self) -> bool:
        """Whether events announce the seeding: it created tasks, or rejected a source or rows."""
        return not self.dry_run and (self.has_written or bool(self.rejected) or self.is_rejection)

    @property
    def has_written(self) -> bool:
        """Whether the seeding created, updated or withdrew tasks."""
        return bool(self.created or self.updated or self.withdrawn)

    @property
    def code(self) -> str | None:
        """The code of the first problem, which is the reason for a rejection; None without one."""
        return self.errors[0].code if self.errors else None

    @property
    def sentence(self) -> str:
        """The result in one sentence, for a person."""
        name = shortened(display_name(self.source), 80)
        if self.group_id is not None and self.already_seeded and not self._has_changed:
            return (
                f"{name} was seeded before: group {self.group_id} holds its "
                f"{counted(self.already_seeded, 'task')}, so nothing was created."
            )
        if self.is_rejection:
            rows = f" {counted(self.rejected, 'row')} rejected;" if self.rejected else ""
            first = f"{self.errors[0]}"
            more = len(self.errors) - 1
            others = other_problems(more, is_cut=len(self.errors) == MAX_INLINE_ERRORS)
            sentence = f"{name} was rejected, nothing was created:{rows} {first}{others}"
            return sentence if sentence.endswith((".", "?")) else f"{sentence}."
        return f"{name} {self._acts}{self._counts}."

    @property
    def _acts(self) -> str:
        """The tasks created, and if there are none, what was done instead."""
        create, update, withdraw = (
            ("would create", "would update", "would withdraw")
            if self.dry_run
            else ("created", "updated", "withdrew")
        )
        updated = f"{update} {counted(self.updated, 'task')}"
        withdrawn = f"{withdraw} {counted(self.withdrawn, 'task')} whose row is missing"
        if self.created:
            place = f" in group {self.group_id}" if self.group_id is not None else ""
            return f"{create} {counted(self.created, 'task')}{place}"
        others = [updated] * bool(self.updated) + [withdrawn] * bool(self.withdrawn)
        if others:
            return f"{' and '.join(others)}, created none"
        return f"{create} no tasks" + ("" if self._counts else ": there was nothing to seed")

    @property
    def _counts(self) -> str:
        """The rows that created no task; beside created tasks, also what happened to others."""
        text = f", {counted(self.rejected, 'row')} rejected" if self.rejected else ""
        text += f", {self.already_seeded:,} existed already" if self.already_seeded else ""
        text += f", {self.changed:,} existed with other values" if self.changed else ""
        if self.created and self.updated:
            were = "would be" if self.dry_run else "was" if self.updated == 1 else "were"
            text += f", of which {self.updated:,} {were} updated"
        if self.created and self.withdrawn:
            withdraws = "would withdraw" if self.dry_run else "withdrew"
            text += f", {withdraws} {counted(self.withdrawn, 'task')} whose row is missing"
        return text

    @property
    def _has_changed(self) -> bool:
        return self.has_written or bool(self.changed)

    @property
    def alert(self) -> str:
        """The sentence about rejected rows, with the first problem in any case."""
        if self.is_rejection or not self.errors:
            return self.sentence
        return f"{self.sentence.removesuffix('.')}; the first: {self.errors[0]}."


class SourceRejectedError(RejectedError):
    """A source of tasks was rejected and its report recorded; ``report`` lists the bad rows."""

    code = "source_rejected"

    def __init__(self, report: Report) -> None:
        super().__init__(report.sentence, problems=problems_of(report.errors))
        self.report = report
