"""Cells, and the fields that they are read for; shared by the tests of values."""

import pytest

from tasks_lib.domain.fields import Field
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.domain.values.readers import reader_of

SELECT = {"single_select", "multi_select"}
OPTIONS = ["good", "bad", "so;so", 'in "quotes"', "[sic]"]

NO_NUMBER = "is not a number such as 12.5, -3 or 1e6"
OUT_OF_RANGE = "is outside the range of a 64-bit number"
NO_DATETIME = "is not a date and time like 2026-11-23T13:45:00Z"
FIRST_BEYOND = 2**1024 - 2**970
"""The smallest whole number that a 64-bit float rounds to infinity."""


def field(kind: str, **constraints: object) -> Field:
    if kind in SELECT:
        constraints.setdefault("options", OPTIONS)
    return Field.model_validate({"name": "f", "type": kind, "source": "dataset", **constraints})


def fields_of(**kinds: str) -> list[Field]:
    """Return fields by name; a type with a question mark at its end makes an optional field."""
    return [
        field(kind.rstrip("?"), required=not kind.endswith("?")).model_copy(update={"name": name})
        for name, kind in kinds.items()
    ]


def read_value(entry: Field, text: str) -> str:
    return reader_of(entry)(text)


def refusal(entry: Field, text: str) -> tuple[str, str]:
    with pytest.raises(ValueProblemError) as caught:
        read_value(entry, text)
    return caught.value.code, str(caught.value)


def case(text: str, *expected: str, named: str | None = None) -> object:
    """Return a test case of a cell and the expected result, named after the cell."""
    shown = text if len(text) < 30 else f"{text[:20]}... ({len(text)})"
    return pytest.param(text, *expected, id=named or ascii(shown)[1:-1])
