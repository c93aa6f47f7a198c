"""Validation of a field's bounds in a catalogue."""

import pytest

from cells import NO_DATETIME, NO_NUMBER, OUT_OF_RANGE, field
from tasks_lib.domain.fields import Field
from tasks_lib.domain.values.readers import check_bounds_of


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        pytest.param(
            field("integer", min="x"),
            "field 'f': the bound 'x' is not a whole number such as 42 or -7",
            id="no integer",
        ),
        pytest.param(
            field("integer", max=1.5),
            "field 'f': the bound '1.5' is not a whole number such as 42 or -7: it has decimals",
            id="a fraction for an integer",
        ),
        pytest.param(
            field("integer", min="1e3"),
            "field 'f': the bound '1e3' is to be written 1000",
            id="an integer written as a float",
        ),
        pytest.param(
            field("integer", max=2**63),
            "field 'f': the bound '9223372036854775808' does not fit in 64 bits; "
            "a text field keeps it",
            id="an integer of 65 bits",
        ),
        pytest.param(
            field("number", min="1e999"),
            f"field 'f': the bound '1e999' {OUT_OF_RANGE}",
            id="an endless number",
        ),
        pytest.param(
            field("number", max="1e-99999999999999999999"),
            f"field 'f': the bound '1e-99999999999999999999' {OUT_OF_RANGE}",
            id="an exponent beyond any decimal",
        ),
        pytest.param(
            field("number", min="0e99999999999999999999"),
            f"field 'f': the bound '0e99999999999999999999' {OUT_OF_RANGE}",
            id="a zero with an exponent beyond any decimal",
        ),
        pytest.param(
            field("number", max="9" * 5_000),
            f"field 'f': the bound '{'9' * 60}'... (5,000 characters) {OUT_OF_RANGE}",
            id="a number of 5,000 digits",
        ),
        pytest.param(
            field("number", min=""),
            f"field 'f': the bound '' {NO_NUMBER}",
            id="an empty bound",
        ),
        pytest.param(
            field("date", min="2023-02-29"),
            "field 'f': the bound '2023-02-29' is not a day in the calendar",
            id="no date",
        ),
        pytest.param(
            field("datetime", max="2024-01-01"),
            f"field 'f': the bound '2024-01-01' {NO_DATETIME}: the time of day is missing",
            id="a date for a datetime",
        ),
        pytest.param(
            field("datetime", max="2024-01-01T24:00"),
            f"field 'f': the bound '2024-01-01T24:00' {NO_DATETIME}: '24:00' is not a time of day",
            id="an hour that no day has",
        ),
        pytest.param(
            field("datetime", min="2023-02-29T00:00Z"),
            "field 'f': the bound '2023-02-29T00:00Z' is not on a day in the calendar",
            id="a time on no day",
        ),
        pytest.param(
            field("integer", min=6, max=5),
            "field 'f': min 6 is above max 5",
            id="crossed integers",
        ),
        pytest.param(
            field("number", min="1e1", max="9.9"),
            "field 'f': min 1e1 is above max 9.9",
            id="crossed numbers",
        ),
        pytest.param(
            field("number", min="0.1", max="0.09999999999999999999999999"),
            "field 'f': min 0.1 is above max 0.09999999999999999999999999",
            id="crossed numbers that are one float",
        ),
        pytest.param(
            field("number", min="1e-999", max=0),
            "field 'f': min 1e-999 is above max 0",
            id="crossed numbers with the longest exponent",
        ),
        pytest.param(
            field("date", min="2024-01-02", max="2024-01-01"),
            "field 'f': min 2024-01-02 is above max 2024-01-01",
            id="crossed dates",
        ),
        pytest.param(
            field("datetime", min="2024-01-01T01:00Z", max="2024-01-01T01:30+01:00"),
            "field 'f': min 2024-01-01T01:00Z is above max 2024-01-01T01:30+01:00",
            id="crossed instants",
        ),
    ],
)
def test_bounds_that_no_value_can_meet_are_refused(entry: Field, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared whole
        check_bounds_of(entry)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(field("integer", min=5, max=5), id="one value left"),
        pytest.param(field("number", min="0.1", max="0.10"), id="one number, spelled twice"),
        pytest.param(field("number", min="1e-999", max="1e308"), id="the widest numbers"),
        pytest.param(
            field("datetime", min="2024-01-01T01:30+01:00", max="2024-01-01T00:30"),
            id="one instant, spelled twice",
        ),
        pytest.param(
            field("datetime", min="2024-01-02T00:00+23:59", max="2024-01-01T01:00"),
            id="instants in the order that their texts are not",
        ),
        pytest.param(field("date", min="2024-01-01"), id="one side only"),
        pytest.param(field("text"), id="none"),
    ],
)
def test_bounds_that_leave_a_value_are_accepted(entry: Field) -> None:
    check_bounds_of(entry)
