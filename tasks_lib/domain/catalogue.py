"""The catalogue file: organizations, their projects, and the pipelines with their fields."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, SkipValidation, model_validator

from tasks_lib.domain.fields import Field, FieldSource, FieldType, check_entry_name, mistake
from tasks_lib.domain.names import (
    did_you_mean,
    is_invisible,
    shortened,
    visible,
    without_invisible,
)
from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.domain.rows.keys import OnChange, OnMissing, why_no_key
from tasks_lib.domain.statuses import PipelineStatus, TaskStatus
from tasks_lib.domain.values.readers import check_bounds_of

_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_PASSWORD: Final = re.compile(r"://[^/@]*:[^/@]*@|[?&][^=&]*pass[^=&]*=", re.IGNORECASE)
_MAX_DURATION_SECONDS: Final = 366 * 86_400
_MAX_RETENTION_SECONDS: Final = 10 * _MAX_DURATION_SECONDS


def duration_seconds(duration: object) -> int:
    """Return the seconds of ``30m``, ``2h``, ``1d``, ``90s`` or ``90``; raise ValueError."""
    seconds = _seconds(duration)
    if seconds > _MAX_DURATION_SECONDS:
        raise ValueError(f"{duration!r} is longer than a year")
    return seconds


def retention_seconds(duration: object) -> int:
    """Return the seconds for which tasks are kept, at most ten years; raise ValueError."""
    seconds = _seconds(duration)
    if seconds > _MAX_RETENTION_SECONDS:
        raise ValueError(f"{duration!r} is longer than ten years; leave it out to keep them all")
    return seconds


def _seconds(duration: object) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,99})([smhd]?)", str(duration).strip())
    if match is None:
        raise ValueError(f"{duration!r} is not a duration such as 90s, 30m, 2h or 1d")
    return int(match[1]) * _UNIT_SECONDS[match[2] or "s"]


def show_duration(seconds: int) -> str:
    """Return a duration as a catalogue writes it, in the largest unit that needs no fraction."""
    units = reversed(_UNIT_SECONDS.items())
    unit, length = next(entry for entry in units if seconds % entry[1] == 0)
    return f"{seconds // length}{unit}"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Retention(_Entry):
    """For how many seconds tasks are kept after they were finished or withdrawn; None: forever."""

    finished: Annotated[int, BeforeValidator(retention_seconds)] | None = None
    withdrawn: Annotated[int, BeforeValidator(retention_seconds)] | None = None

    @property
    def by_status(self) -> dict[TaskStatus, int]:
        """The seconds by status, without those that are kept forever."""
        both = {TaskStatus.FINISHED: self.finished, TaskStatus.WITHDRAWN: self.withdrawn}
        return {status: seconds for status, seconds in both.items() if seconds is not None}


class ResultsEntry(_Entry):
    """A destination of a pipeline's results: a folder, or a table with ``?table=`` in its URL."""

    name: str
    url: str
    format: ResultFormat = ResultFormat.PARQUET
    by_day: bool = False
    with_source: bool = False
    with_files: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_entry_name(self.name, "results")
        if not self.url.startswith(("/", "secret:")) and "://" not in self.url:
            raise mistake(
                f"url is {shortened(self.url)}; expected a URL or an absolute path, because "
                "workers run in other folders",
                "url",
            )
        if _PASSWORD.search(self.url):
            raise mistake(
                "url holds a password, which would be kept in the store; leave it to the "
                "environment of the workers, or use secret:BLOCK",
                "url",
            )
        return self


class PipelineEntry(_Entry):
    """A pipeline as the catalogue describes it."""

    name: str
    status: PipelineStatus = PipelineStatus.ACTIVE
    claim_timeout: Annotated[int, BeforeValidator(duration_seconds)] | None = None
    key: tuple[str, ...] = ()
    on_change: OnChange = OnChange.KEEP
    on_missing: OnMissing = OnMissing.KEEP
    retention: Retention = Retention()
    results: tuple[ResultsEntry, ...] = ()
    fields: tuple[Field, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_path_name(self.name, "pipeline")
        destinations = [entry.name for entry in self.results]
        _check_unique(destinations, f"pipeline {self.name!r}: results", "results")
        names = [field.name for field in self.fields]
        _check_unique(names, f"pipeline {self.name!r}: field", "fields")
        for position, field in enumerate(self.fields):
            _check_bounds(field, position)
        _check_key(self.key, self.fields)
        if self.on_change is not OnChange.KEEP and not self.key:
            raise mistake(f"on_change: {self.on_change} needs a key", "on_change")
        if self.on_missing is not OnMissing.KEEP and not self.key:
            raise mistake(f"on_missing: {self.on_missing} needs a key", "on_missing")
        return self


class ProjectEntry(_Entry):
    """A project and its pipelines."""

    name: str
    pipelines: tuple[PipelineEntry, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_path_name(self.name, "project")
        names = [pipeline.name for pipeline in self.pipelines]
        _check_unique(names, f"project {self.name!r}: pipeline", "pipelines")
        return self


class OrganizationEntry(_Entry):
    """An organization and its projects; nothing crosses it."""

    name: str
    projects: tuple[ProjectEntry, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_path_name(self.name, "organization")
        names = [project.name for project in self.projects]
        _check_unique(names, f"organization {self.name!r}: project", "projects")
        return self


class Catalogue(_Entry):
    """The whole file."""

    organizations: tuple[OrganizationEntry, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [entry.name for entry in self.organizations]
        _check_unique(names, "organization", "organizations")
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
    key: tuple[str, ...] = ()
    on_change: OnChange = OnChange.KEEP
    on_missing: OnMissing = OnMissing.KEEP
    retention: Retention = Retention()
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


def _check_path_name(name: str, kind: str) -> None:
    check_entry_name(name, kind)
    if "/" in name or name.isdecimal():
        raise mistake(
            f"{kind} name {name!r} must not hold a slash or be a number: "
            "paths and numbers name pipelines",
            "name",
        )


def _check_bounds(field: Field, position: int) -> None:
    for bound, other in (("min", "max"), ("max", "min"), ("min", "")):
        try:
            check_bounds_of(field.model_copy(update={other: None}) if other else field)
        except ValueError as error:
            raise mistake(str(error), "fields", position, bound) from None


def _check_key(key: Sequence[str], fields: Sequence[Field]) -> None:
    names = [field.name for field in fields]
    for position, name in enumerate(key):
        reason = why_no_key(fields, name)
        if reason is not None:
            hint = "" if name in names else did_you_mean(name, names)
            raise mistake(f"key field {shortened(name)} {reason}{hint}", "key", position)
        if name in key[:position]:
            raise mistake(f"key field {shortened(name)} occurs twice", "key", position)


def _check_unique(names: list[str], kind: str, member: str) -> None:
    known: set[str] = set()
    by_looks: dict[str, str] = {}
    for position, name in enumerate(names):
        if name in known:
            raise mistake(f"{kind} {name!r} occurs twice", member, position, "name")
        other = by_looks.setdefault(without_invisible(name), name)
        if other != name and any(map(is_invisible, other + name)):
            message = f"{kind} {visible(name)} looks like {visible(other)}"
            raise mistake(message, member, position, "name")
        known.add(name)
