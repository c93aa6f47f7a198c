"""Days and moments by the column are those by the rule, for each day that could be written."""

from datetime import date

import pyarrow as pa
import pytest

from tasks_lib.domain.fields import Field
from tasks_lib.intake.columns import shape_of

YEARS = (1900, 2000, 2023, 2024)
WRITTEN = [(year, month, day) for year in YEARS for month in range(14) for day in range(33)]


def is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("kind", "rest"), [("date", ""), ("datetime", "T12:30:00Z")])
def test_a_column_takes_the_days_of_the_calendar_and_no_others(kind: str, rest: str) -> None:
    field = Field.model_validate({"name": "f", "type": kind, "source": "dataset"})
    cells = [f"{year}-{month:02}-{day:02}{rest}" for year, month, day in WRITTEN]
    shaped = shape_of([field])([pa.array(cells)])
    refused = [cells[problem.position] for problem in shaped.problems]
    expected = [cell for cell, day in zip(cells, WRITTEN, strict=True) if not is_day(*day)]
    assert refused == expected
