"""The catalogue file: organizations, their projects, and the pipelines with their fields."""

import re
from collections import Counter
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, SkipValidation, model_validator

from tasks_lib.domain.fields import Field, FieldSource, FieldType, check_name
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.domain.values import check_bounds_of

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MAX_DURATION_SECONDS: Final = 366 * 86_400


def duration_seconds(duration: object) -> int:
    """Return the seconds of ``30m``, ``2h``, ``1d``, ``90s`` or a number; raise ValueError."""
    text = f"{duration}s" if type(duration) is int else str(duration).strip()
    match = re.fullmatch(r"([1-9][0-9]{0,99})([smhd])", text)
    if match is None:
        raise ValueError(f"{duration!r} is not a duration such as 90s, 30m, 2h or 1d")
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]]
    if seconds > _MAX_DURATION_SECONDS:
        raise ValueError(f"{duration!r} is longer than a year")
    return seconds


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PipelineEntry(_Entry):
    """A pipeline as the catalogue describes it."""

    name: str
    status: PipelineStatus = PipelineStatus.ACTIVE
    claim_timeout: Annotated[int, BeforeValidator(duration_seconds)] | None = None
    fields: tuple[Field, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_entry_name(self.name, "pipeline")
        _check_unique([field.name for field in self.fields], f"pipeline {self.name!r}: field")
        for field in self.fields:
            check_bounds_of(field)
        return self


class ProjectEntry(_Entry):
    """A project and its pipelines."""

    name: str
    pipelines: tuple[PipelineEntry, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_entry_name(self.name, "project")
        names = [pipeline.name for pipeline in self.pipelines]
        _check_unique(names, f"project {self.name!r}: pipeline")
        return self


class OrganizationEntry(_Entry):
    """An organization and its projects; nothing crosses it."""

    name: str
    projects: tuple[ProjectEntry, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_entry_name(self.name, "organization")
        names = [project.name for project in self.projects]
        _check_unique(names, f"organization {self.name!r}: project")
        return self


class Catalogue(_Entry):
    """The whole file."""

    organizations: tuple[OrganizationEntry, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_unique([entry.name for entry in self.organizations], "organization")
        return self


class Pipeline(BaseModel):
    """A pipeline as the store holds it."""

    model_config = ConfigDict(frozen=True)

    id: int
    name: str
    project_id: int
    project: str
    organization_id: int
    organization: str
    status: PipelineStatus
    claim_timeout: int | None = None
    fields: SkipValidation[tuple[Field, ...]] = ()

    @property
    def path(self) -> str:
        """``organization/project/pipeline``."""
        return f"{self.organization}/{self.project}/{self.name}"

    @property
    def dataset_fields(self) -> tuple[Field, ...]:
        """The fields that a seeding fills, in the catalogue's order."""
        return tuple(field for field in self.fields if field.source is FieldSource.DATASET)

    @property
    def file_fields(self) -> tuple[Field, ...]:
        """The dataset fields whose values are files."""
        return tuple(field for field in self.dataset_fields if field.type is FieldType.FILE)


def _check_entry_name(name: str, kind: str) -> None:
    check_name(name, kind)
    if "/" in name or name.isdecimal():
        raise ValueError(
            f"{kind} name {name!r} must not hold a slash or be a number: "
            "paths and numbers name pipelines"
        )


def _check_unique(names: list[str], kind: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{kind} {twice[0]!r} stands twice")
