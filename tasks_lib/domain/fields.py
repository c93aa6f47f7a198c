"""A pipeline's fields: their types, and the constraints that each type knows."""

import math
import re
import warnings
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field as Setting, model_validator

from tasks_lib.domain.names import is_invisible, visible


class FieldType(StrEnum):
    """The twelve types of value that a field can have."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    SINGLE_SELECT = "single_select"
    MULTI_SELECT = "multi_select"
    URL = "url"
    JSON = "json"
    FILE = "file"


class FieldSource(StrEnum):
    """Who gives the value: the seeding (predefined, read-only) or the contributor."""

    DATASET = "dataset"
    INPUT = "input"


TEXTS: Final = frozenset({FieldType.TEXT, FieldType.LONG_TEXT, FieldType.URL})
ORDERED: Final = frozenset(
    {FieldType.INTEGER, FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME}
)
SELECTS: Final = frozenset({FieldType.SINGLE_SELECT, FieldType.MULTI_SELECT})
FILES: Final = frozenset({FieldType.FILE})

CONSTRAINTS: Final[dict[str, frozenset[FieldType]]] = {
    "min": ORDERED,
    "max": ORDERED,
    "min_length": TEXTS,
    "max_length": TEXTS,
    "pattern": TEXTS,
    "options": SELECTS,
    "max_bytes": FILES,
    "content_types": FILES,
}
"""Which types know which constraint."""

RESERVED_NAMES: Final = frozenset({"_row", "_errors"})
"""Columns of a rejects file; a corrected one is uploaded as it is, and they are ignored."""

MAX_NAME_LENGTH: Final = 200
_CONTENT_TYPE: Final = re.compile(r"[a-z]+/([a-z0-9][a-z0-9.+-]*|\*)")


def _spelled(bound: object) -> object:
    """Spell a bound as a cell would: YAML reads dates and numbers before we see them."""
    if isinstance(bound, datetime | date):
        return bound.isoformat()
    if isinstance(bound, int | float) and not isinstance(bound, bool):
        return str(bound)
    return bound


Bound = Annotated[str, BeforeValidator(_spelled)]


class Field(BaseModel):
    """One named, typed value of a task, with the constraints its values must meet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: FieldType
    source: FieldSource
    required: bool = True
    min: Bound | None = None
    max: Bound | None = None
    min_length: int | None = Setting(default=None, ge=0)
    max_length: int | None = Setting(default=None, ge=1)
    pattern: str | None = None
    options: tuple[str, ...] | None = None
    max_bytes: int | None = Setting(default=None, ge=1)
    content_types: tuple[str, ...] | None = None

    @property
    def constraints(self) -> dict[str, Any]:
        """The constraints that are set, as JSON values."""
        return self.model_dump(mode="json", include=set(CONSTRAINTS), exclude_none=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_name(self.name, "field")
        if self.name in RESERVED_NAMES:
            raise ValueError(f"{self.name!r} is reserved for the columns of a rejects file")
        for constraint, types in CONSTRAINTS.items():
            if getattr(self, constraint) is not None and self.type not in types:
                known = ", ".join(sorted(types))
                raise ValueError(
                    f"field {self.name!r}: {constraint!r} is not known for type "
                    f"{self.type.value!r}, only for {known}"
                )
        if (self.min_length or 0) > (self.max_length or math.inf):
            raise ValueError(
                f"field {self.name!r}: min_length {self.min_length} is above "
                f"max_length {self.max_length}"
            )
        self._check_options()
        self._check_pattern()
        self._check_content_types()
        return self

    def _check_options(self) -> None:
        if self.type not in SELECTS:
            return
        if not self.options:
            raise ValueError(f"field {self.name!r}: type {self.type.value!r} needs 'options'")
        if len(set(self.options)) != len(self.options) or "" in self.options:
            raise ValueError(f"field {self.name!r}: options must be different and not empty")

    def _check_content_types(self) -> None:
        for content_type in self.content_types or ():
            if not _CONTENT_TYPE.fullmatch(content_type):
                raise ValueError(
                    f"field {self.name!r}: {content_type!r} is no content type such as "
                    "image/png or image/*"
                )

    def _check_pattern(self) -> None:
        if self.pattern is None:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a pattern that a later Python may read otherwise
                re.compile(self.pattern)
        except (re.error, OverflowError, RecursionError, Warning) as error:
            raise ValueError(
                f"field {self.name!r}: pattern {self.pattern!r} is no regular expression: {error}"
            ) from None


def check_name(name: str, kind: str) -> None:
    """Raise ValueError unless ``name`` can be seen, typed and compared without surprises."""
    if not name or name != name.strip() or len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            f"{kind} name {name!r} must have 1 to {MAX_NAME_LENGTH} characters "
            "and no white space at its ends"
        )
    if any(is_invisible(character) for character in name):
        raise ValueError(f"{kind} name {visible(name)} must not hold invisible characters")
