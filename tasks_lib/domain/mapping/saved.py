"""Saved mappings, and the changes of their source since they were saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from tasks_lib.domain.fields import check_requested_name
from tasks_lib.domain.mapping.conversions import Column, columns_to_json
from tasks_lib.domain.mapping.drift import drift
from tasks_lib.domain.mapping.plans import Plan
from tasks_lib.errors import Problem, UsageError


@dataclass(frozen=True)
class MappingContent:
    """A mapping of all fields: ``mapping`` is field to ``column[:jsonpath]``, ``skip`` the others.

    ``source`` is the name of the source that it was made for, and ``columns`` its columns.
    """

    source: str
    columns: tuple[Column, ...]
    mapping: dict[str, str]
    skip: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan, source: str) -> "MappingContent":
        """Return the content of a plan, with every field mapped or skipped explicitly."""
        empty = tuple(entry.field.name for entry in plan.fields if entry.column is None)
        return cls(source, plan.columns, plan.mapping, empty)

    @property
    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "source": self.source,
            "columns": columns_to_json(self.columns),
            "mapping": self.mapping,
            "skip": list(self.skip),
        }


class SavedMapping(NamedTuple):
    """A version of a saved mapping."""

    name: str
    version: int
    created_at: datetime
    content: MappingContent

    @property
    def title(self) -> str:
        """The name of the version in a sentence."""
        return f"version {self.version} of mapping {self.name!r}"


def check_mapping_name(name: str) -> str:
    """Return the name of a mapping; raise UsageError if it is not allowed."""
    check_requested_name(name, "mapping")
    if "@" in name:
        raise UsageError(f"mapping name {name!r} holds an @, which begins a version")
    return name


def split_mapping_name(reference: str) -> tuple[str, int | None]:
    """Split ``NAME[@VERSION]``; raise UsageError if the version is not a number."""
    name, separator, version = reference.rpartition("@")
    if not separator:
        return check_mapping_name(reference), None
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise UsageError(f"{reference!r} is not a mapping; expected NAME or NAME@VERSION")
    return check_mapping_name(name), int(version)


def drift_problems(saved: str, before: Sequence[Column], now: Sequence[Column]) -> list[Problem]:
    """Return a problem for each change of the source's columns since ``saved`` was saved."""
    return [
        Problem(
            "mapping_drifted",
            f"{change}, since {saved} was saved; "
            "map the fields again, or accept the drift to go on",
        )
        for change in drift(before, now)
    ]
