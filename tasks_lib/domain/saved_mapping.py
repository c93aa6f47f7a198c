"""Mappings that were saved under a name, and what has changed since."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks_lib.domain.conversions import Column
from tasks_lib.domain.fields import check_name
from tasks_lib.domain.mapping import Plan, drift
from tasks_lib.domain.problems import Problem
from tasks_lib.errors import UsageError


@dataclass(frozen=True)
class MappingContent:
    """A whole mapping: field to ``column[:jsonpath]``, fields left empty, and the source's columns.

    ``source`` is what the source was called.
    """

    source: str
    columns: tuple[Column, ...]
    mapping: dict[str, str]
    skip: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan, source: str) -> "MappingContent":
        """Return what a plan does, as if all of it had been said by hand."""
        empty = tuple(entry.field.name for entry in plan.fields if entry.column is None)
        return cls(source, plan.columns, plan.mapping, empty)

    @property
    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "source": self.source,
            "columns": [{"name": name, "type": kind.value} for name, kind in self.columns],
            "mapping": self.mapping,
            "skip": list(self.skip),
        }


def checked_mapping_name(name: str) -> str:
    """Return the name; raise UsageError unless a mapping may be called so."""
    try:
        check_name(name, "mapping")
    except ValueError as error:
        raise UsageError(str(error)) from None
    if "@" in name:
        raise UsageError(f"mapping name {name!r} holds an @, which stands before a version")
    return name


def split_mapping_name(reference: str) -> tuple[str, int | None]:
    """Split ``NAME[@VERSION]``; raise UsageError where the version is no number."""
    name, separator, version = reference.rpartition("@")
    if not separator:
        return checked_mapping_name(reference), None
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise UsageError(f"{reference!r} is no mapping; expected NAME or NAME@VERSION")
    return checked_mapping_name(name), int(version)


def drift_problems(saved: str, before: Sequence[Column], now: Sequence[Column]) -> list[Problem]:
    """Return a problem for each thing that has changed in the source since ``saved`` was made."""
    return [
        Problem(
            "mapping_drifted",
            f"{change}, since {saved} was saved; map anew, or accept the drift to go on",
        )
        for change in drift(before, now)
    ]
