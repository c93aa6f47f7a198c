"""The name and the labels that a seeding may give its group."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tasks_lib.domain.fields import check_requested_name
from tasks_lib.domain.names import is_invisible, shortened, visible
from tasks_lib.errors import UsageError

MAX_LABELS: Final = 20
MAX_VALUE_LENGTH: Final = 200
LABEL_KEY: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?"
_LABEL_KEY: Final = re.compile(LABEL_KEY)
_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


class Naming(NamedTuple):
    """The name of a group, if it has one, and its labels."""

    name: str | None = None
    labels: Mapping[str, str] = _NO_LABELS

    @property
    def members(self) -> dict[str, Any]:
        """The name and the labels that are set, as members of a JSON document."""
        name = {"name": self.name} if self.name is not None else {}
        return name | ({"labels": dict(self.labels)} if self.labels else {})

    @property
    def pairs(self) -> str:
        """The labels as ``key=value, key=value``."""
        return ", ".join(f"{key}={value}" for key, value in self.labels.items())


UNNAMED: Final = Naming()


@dataclass(frozen=True, kw_only=True)
class NamedRequest:
    """A request for a seeding that names its group: ``labels`` are ``key=value`` pairs.

    Raises UsageError if one of them is invalid.
    """

    name: str = ""
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        read_naming(self.name, self.labels)

    @property
    def naming(self) -> Naming:
        """The name and the labels of the group."""
        return read_naming(self.name, self.labels)


def read_naming(name: str, pairs: Iterable[str]) -> Naming:
    """Return a name, which may be empty, and labels given as ``key=value``; raise UsageError."""
    if not name and not pairs:
        return UNNAMED
    labels: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"label {shortened(pair)} must be KEY=VALUE, such as batch=night")
        if key in labels:
            raise UsageError(f"label {shortened(key)} is given twice; give each label once")
        labels[key] = value
    return check_naming(name, labels)


def check_naming(name: str, labels: Mapping[str, str]) -> Naming:
    """Return a name, which may be empty, and labels as a group has them; raise UsageError."""
    if name:
        check_requested_name(name, "group")
    if len(labels) > MAX_LABELS:
        raise UsageError(f"the group has {len(labels)} labels; it can have at most {MAX_LABELS}")
    for key, value in labels.items():
        if _LABEL_KEY.fullmatch(key) is None:
            raise UsageError(
                f"label {shortened(key)} must have 1 to 63 letters, digits and ._/- as its key, "
                "with a letter or digit at both ends"
            )
        if not 0 < len(value) <= MAX_VALUE_LENGTH or value != value.strip():
            raise UsageError(
                f"label {key} is {shortened(value)}; its value must have 1 to {MAX_VALUE_LENGTH} "
                "characters and no white space at its ends"
            )
        if any(map(is_invisible, value)):
            raise UsageError(f"label {key} is {visible(value)}; it must not hold those characters")
    return Naming(name or None, dict(labels))
