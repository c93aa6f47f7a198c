"""The bounds and patterns of a field in a catalogue."""

import pytest

from catalogue_texts import (
    IN_FIELD,
    IN_PIPELINE,
    PIPELINE,
    refusals,
)


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        pytest.param(
            "type: integer, source: input, min: one",
            "the bound 'one' is not a whole number such as 42 or -7",
            id="no integer",
        ),
        pytest.param(
            "type: integer, source: input, min: 1.0",
            "the bound '1.0' is to be written 1",
            id="a fraction",
        ),
        pytest.param(
            "type: number, source: input, min: .inf",
            "the bound 'inf' is not a number such as 12.5, -3 or 1e6",
            id="infinity",
        ),
        pytest.param(
            "type: datetime, source: input, max: 2024-01-01",
            "the bound '2024-01-01' is not a date and time like 2026-11-23T13:45:00Z: the time of "
            "day is missing",
            id="a date for a datetime",
        ),
        pytest.param(
            "type: datetime, source: input, max: 2024-01-01T24:00",
            "the bound '2024-01-01T24:00' is not a date and time like 2026-11-23T13:45:00Z: "
            "'24:00' is not a time of day",
            id="an hour that no day has",
        ),
        pytest.param(
            "type: date, source: input, min: '2023-02-29'",
            "the bound '2023-02-29' is not a day in the calendar",
            id="an impossible day",
        ),
        pytest.param(
            "type: number, source: input, min: 1e999",
            "the bound '1e999' is outside the range of a 64-bit number",
            id="an endless number",
        ),
        pytest.param(
            "type: number, source: input, max: 1e-99999999999999999999",
            "the bound '1e-99999999999999999999' is outside the range of a 64-bit number",
            id="an exponent beyond any decimal",
        ),
        pytest.param(
            f"type: number, source: input, min: '{'9' * 5_000}'",
            f"the bound '{'9' * 60}'... (5,000 characters) is outside the range of a 64-bit number",
            id="a number of 5,000 digits",
        ),
        pytest.param(
            "type: integer, source: input, min: 6, max: 5", "min 6 is above max 5", id="crossed"
        ),
    ],
)
def test_bounds_are_values_of_the_type_and_not_crossed(settings: str, mistake: str) -> None:
    text = PIPELINE % f"fields: [{{name: f, {settings}}}]"
    assert refusals(text) == [f"{IN_PIPELINE}: field 'f': {mistake}"]


def test_a_pattern_nested_too_deep_to_compile_is_refused() -> None:
    pattern = "(" * 5_000 + ")" * 5_000
    (refused,) = refusals(
        PIPELINE % f"fields: [{{name: f, type: text, source: input, pattern: '{pattern}'}}]"
    )
    assert refused.startswith(
        f"{IN_FIELD}: field 'f': pattern '{pattern}' is not a regular expression: "
    )
