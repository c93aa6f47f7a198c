"""A column accepts exactly the dates and times of the calendar, in four sample years."""

from datetime import date

import pyarrow as pa
import pytest

from tasks_lib.domain.fields import Field
from tasks_lib.intake.rows.columns import shape_of

YEARS = (1900, 2000, 2023, 2024)
DATES = [(year, month, day) for year in YEARS for month in range(14) for day in range(33)]


def is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("kind", "rest"), [("date", ""), ("datetime", "T12:30:00Z")])
def test_a_column_accepts_the_days_of_the_calendar_and_no_others(kind: str, rest: str) -> None:
    field = Field.model_validate({"name": "f", "type": kind, "source": "dataset"})
    cells = [f"{year}-{month:02}-{day:02}{rest}" for year, month, day in DATES]
    shaped = shape_of([field])([pa.array(cells)])
    refused = [cells[problem.position] for problem in shaped.problems]
    expected = [cell for cell, day in zip(cells, DATES, strict=True) if not is_day(*day)]
    assert refused == expected
