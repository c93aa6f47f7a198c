"""The fields of a pipeline: their types, and the constraints of each type."""

import math
import re
import warnings
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field as Setting, model_validator
from pydantic_core import PydanticCustomError

from tasks_lib.domain.names import is_hidden, is_invisible, shortened, visible
from tasks_lib.errors import UsageError


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
    """Where a value comes from: the seeding (predefined, read-only) or the contributor."""

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
"""Each constraint with the types that it applies to."""

ROW_NAME: Final = "_row"
ERRORS_NAME: Final = "_errors"
RESERVED_NAMES: Final = frozenset({ROW_NAME, ERRORS_NAME})
"""Columns that a rejects file has in addition; they are ignored when it is seeded again."""

MAX_NAME_LENGTH: Final = 200
_SHOWN: Final = 300
_CONTENT_TYPE: Final = re.compile(r"[a-z]+/([a-z0-9][a-z0-9.+-]*|\*)")


def mistake(message: str, *place: str | int) -> PydanticCustomError:
    """Return the error of a validator; ``place`` leads from the object to what is wrong in it."""
    return PydanticCustomError("mistake", "{message}", {"message": message, "place": place})


def _without_leading_zero(number: object) -> object:
    """Return a number; raise ValueError for 010, which is 8 to some readers and 10 to others."""
    if isinstance(number, str) and re.fullmatch(r"[+-]?0[0-9_]+", number):
        raise ValueError(f"{number!r} begins with a zero; write the number without it")
    return number


WholeNumber = Annotated[int, BeforeValidator(_without_leading_zero)]


def _spelled(bound: object) -> object:
    """Return a bound as the text of a cell; a document may hold parsed dates and numbers."""
    if isinstance(bound, datetime | date):
        return bound.isoformat()
    if isinstance(bound, int | float) and not isinstance(bound, bool):
        return str(bound)
    if isinstance(bound, str) and re.fullmatch(r"-?[1-9][0-9]*(_[0-9]+)+", bound):
        return bound.replace("_", "")
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
    min_length: WholeNumber | None = Setting(default=None, ge=0)
    max_length: WholeNumber | None = Setting(default=None, ge=1)
    pattern: str | None = None
    options: tuple[str, ...] | None = None
    max_bytes: WholeNumber | None = Setting(default=None, ge=1)
    content_types: tuple[str, ...] | None = None

    @property
    def constraints(self) -> dict[str, Any]:
        """The constraints that are set, as JSON values."""
        return self.model_dump(mode="json", include=set(CONSTRAINTS), exclude_none=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_entry_name(self.name, "field")
        if self.name in RESERVED_NAMES:
            reason = f"{self.name!r} is reserved for the columns of a rejects file"
            raise mistake(reason, "name")
        for constraint, types in CONSTRAINTS.items():
            if getattr(self, constraint) is not None and self.type not in types:
                known = ", ".join(sorted(types))
                raise mistake(
                    f"field {self.name!r}: {constraint!r} is not known for type "
                    f"{self.type.value!r}, only for {known}",
                    constraint,
                )
        if (self.min_length or 0) > (self.max_length or math.inf):
            raise mistake(
                f"field {self.name!r}: min_length {self.min_length} is above "
                f"max_length {self.max_length}",
                "min_length",
            )
        self._check_options()
        self._check_pattern()
        self._check_content_types()
        return self

    def _check_options(self) -> None:
        if self.type not in SELECTS:
            return
        if not self.options:
            reason = f"field {self.name!r}: type {self.type.value!r} needs 'options'"
            raise mistake(reason, "options")
        if len(set(self.options)) != len(self.options) or "" in self.options:
            reason = f"field {self.name!r}: options must be different and not empty"
            raise mistake(reason, "options")

    def _check_content_types(self) -> None:
        for position, content_type in enumerate(self.content_types or ()):
            if not _CONTENT_TYPE.fullmatch(content_type):
                raise mistake(
                    f"field {self.name!r}: {content_type!r} is not a content type such as "
                    "image/png or image/*",
                    "content_types",
                    position,
                )

    def _check_pattern(self) -> None:
        if self.pattern is None:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # its meaning may change in a later Python
                re.compile(self.pattern)
        except (re.error, OverflowError, RecursionError, Warning) as error:
            raise mistake(
                f"field {self.name!r}: pattern {self.pattern!r} is not a regular expression: "
                f"{error}",
                "pattern",
            ) from None


def check_requested_name(name: str, kind: str) -> None:
    """Raise UsageError for a name in a request that ``check_name`` refuses."""
    try:
        check_name(name, kind)
    except ValueError as error:
        raise UsageError(str(error)) from None


def check_entry_name(name: str, kind: str) -> None:
    """Raise the mistake of a name in a catalogue that ``check_name`` refuses."""
    try:
        check_name(name, kind)
    except ValueError as error:
        raise mistake(str(error), "name") from None


def check_name(name: str, kind: str) -> None:
    """Raise ValueError if the name is empty, too long, padded, or holds invisible characters.

    A field can have a name with characters that its script needs; nobody types it.
    """
    if not name or name != name.strip() or len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            f"{kind} name {shortened(name, _SHOWN)} must have 1 to {MAX_NAME_LENGTH} characters "
            "and no white space at its ends"
        )
    if any(map(is_hidden if kind == "field" else is_invisible, name)):
        raise ValueError(f"{kind} name {visible(name)} must not hold invisible characters")
