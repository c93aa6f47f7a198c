"""Dates and times: accepted spellings, stored values, and refusals."""

import pytest

from cells import NO_DATETIME, case, field, read_value, refusal


@pytest.mark.parametrize(
    "text", ["2024-01-31", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"]
)
def test_a_date_is_stored_as_its_text(text: str) -> None:
    assert read_value(field("date"), text) == f'"{text}"'


NO_DATE = "is not a date written YYYY-MM-DD"
NO_DAY = "is not a day in the calendar"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        case("2023-02-29", f"'2023-02-29' {NO_DAY}"),
        case("1900-02-29", f"'1900-02-29' {NO_DAY}"),
        case("2024-04-31", f"'2024-04-31' {NO_DAY}"),
        case("2024-01-00", f"'2024-01-00' {NO_DAY}"),
        case("2024-13-01", f"'2024-13-01' {NO_DAY}"),
        case("2024-00-10", f"'2024-00-10' {NO_DAY}"),
        case("2024-01-32", f"'2024-01-32' {NO_DAY}"),
        case("0000-01-01", f"'0000-01-01' {NO_DAY}"),
        case("2024-1-1", f"'2024-1-1' {NO_DATE}"),
        case("20240101", f"'20240101' {NO_DATE}"),
        case("2024/01/01", f"'2024/01/01' {NO_DATE}"),
        case("01.02.2024", f"'01.02.2024' {NO_DATE}"),
        case("02/29/2024", f"'02/29/2024' {NO_DATE}"),
        case("24-01-01", f"'24-01-01' {NO_DATE}"),
        case("10000-01-01", f"'10000-01-01' {NO_DATE}"),
        case("2024-W01-1", f"'2024-W01-1' {NO_DATE}"),
        case("2024-01-01T00:01", f"'2024-01-01T00:01' {NO_DATE}"),
        case("2024-01-01T00:00Z", f"'2024-01-01T00:00Z' {NO_DATE}"),
        case("2023-02-29 00:00", f"'2023-02-29 00:00' {NO_DAY}"),
        case(" 2024-01-01", f"' 2024-01-01' {NO_DATE}"),
        case("2024-01-01\n", rf"'2024-01-01\n' {NO_DATE}"),
        case("٢٠٢٤-01-01", f"'٢٠٢٤-01-01' {NO_DATE}", named="Arabic digits"),
        case("45292", f"'45292' {NO_DATE}", named="a spreadsheet's day number"),
    ],
)
def test_an_invalid_date_is_refused(text: str, message: str) -> None:
    assert refusal(field("date"), text) == ("invalid_date", message)


@pytest.mark.parametrize(
    "text",
    ["2024-02-29 00:00", "2024-02-29T00:00", "2024-02-29 00:00:00", "2024-02-29T00:00:00.000"],
)
def test_midnight_is_stored_as_its_day(text: str) -> None:
    assert read_value(field("date"), text) == '"2024-02-29"'


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T10:00", "2024-01-01 10:00", "2024-01-01T10:00:59", "2024-01-01T10:00:00Z",
        "2024-01-01T10:00Z", "2024-01-01 10:00:00+05:30", "2024-01-01T10:00:00-00:00",
        "2024-01-01T10:00:00+23:59", "2024-01-01T10:00:00.1", "2024-01-01T10:00:00.12",
        "2024-01-01T10:00:00.123456Z", "2024-02-29T00:00", "2024-12-31T23:59:59.999999",
        "2024-01-01T00:00:00-23:59", "2024-01-01T00:00+00:00", "2024-01-01T00:00-09:30",
        "0001-01-01T00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2000-02-29T23:59:59Z",
        "2024-01-01T10:00:00.1234567Z", "2024-01-01 10:00:00.123456789",
        "2024-01-01T10:00:00.1000000",
    ],
)  # fmt: skip
def test_a_date_and_time_is_stored_as_its_text(text: str) -> None:
    assert read_value(field("datetime"), text) == f'"{text}"'


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        pytest.param("2024-01-01 10:00:00+01", "2024-01-01 10:00:00+01:00", id="PostgreSQL"),
        pytest.param(
            "1850-01-01 00:00:00+00:19:32", "1850-01-01 00:00:00+00:19:32", id="local mean time"
        ),
        pytest.param(
            "2024-01-01T10:00:00.000-0330", "2024-01-01T10:00:00.000-03:30", id="Jira"
        ),
        pytest.param(
            "2024-01-01 10:00:00.1234567 +05:30", "2024-01-01 10:00:00.1234567+05:30",
            id="SQL Server",
        ),
        pytest.param("2024-01-01 10:00:00 UTC", "2024-01-01 10:00:00Z", id="BigQuery"),
        pytest.param("2024-01-01 10:00:00 -0800", "2024-01-01 10:00:00-08:00", id="Snowflake"),
        pytest.param("2024-01-01t10:00z", "2024-01-01T10:00Z", id="RFC 3339 in small letters"),
        pytest.param("2024-01-01T10:00:00,5", "2024-01-01T10:00:00.5", id="a decimal comma"),
        pytest.param("2024-01-01T10:00:00+05:30:00", "2024-01-01T10:00:00+05:30", id="no seconds"),
    ],
)  # fmt: skip
def test_a_date_and_time_of_another_program_is_stored_in_the_form_of_iso_8601(
    text: str, stored: str
) -> None:
    assert read_value(field("datetime"), text) == f'"{stored}"'


ON_NO_DAY = "is not on a day in the calendar"
NO_DAY_FIRST = f"{NO_DATETIME}: it does not begin with a day written YYYY-MM-DD"
SPACED = f"{NO_DATETIME}: it has white space around it"
NO_OFFSET = "is not an offset such as Z or +01:00"


ARABIC_TEN = "1\u0660:00"


def no_clock(shown: str) -> str:
    return f"{NO_DATETIME}: '{shown}' is not a time of day"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        case("2024-01-01", f"'2024-01-01' {NO_DATETIME}: the time of day is missing"),
        case("2024-01-01T10", f"'2024-01-01T10' {no_clock('10')}"),
        case("2024-01-01  10:00", f"'2024-01-01  10:00' {no_clock(' 10:00')}"),
        case("2024-01-01T10:00:00.", f"'2024-01-01T10:00:00.' {NO_DATETIME}: '.' {NO_OFFSET}"),
        case(
            "2024-01-01T10:00:00.1234567890",
            f"'2024-01-01T10:00:00.1234567890' {NO_DATETIME}: its seconds have 10 decimals, "
            "9 are allowed",
        ),
        case("20240101T100000", f"'20240101T100000' {NO_DAY_FIRST}"),
        case("23.11.2026 10:00", f"'23.11.2026 10:00' {NO_DAY_FIRST}"),
        case("1704103200", f"'1704103200' {NO_DAY_FIRST}", named="a Unix time"),
        case("2024-01-01T10:00:00Z\n", rf"'2024-01-01T10:00:00Z\n' {SPACED}"),
        case(" 2024-01-01T10:00", f"' 2024-01-01T10:00' {SPACED}"),
        case(
            "2024-01-01T1\u0660:00", f"'2024-01-01T1\u0660:00' {no_clock(ARABIC_TEN)}",
            named="Arabic 0",
        ),
        case("2024-01-01T24:00", f"'2024-01-01T24:00' {no_clock('24:00')}"),
        case("2024-01-01T24:00:00Z", f"'2024-01-01T24:00:00Z' {no_clock('24:00:00')}"),
        case("2024-01-01T29:00", f"'2024-01-01T29:00' {no_clock('29:00')}"),
        case("2024-01-01T10:60", f"'2024-01-01T10:60' {no_clock('10:60')}"),
        case(
            "2016-12-31T23:59:60Z", f"'2016-12-31T23:59:60Z' {no_clock('23:59:60')}",
            named="leap second",
        ),
        case(
            "2023-02-29T24:00", f"'2023-02-29T24:00' {no_clock('24:00')}",
            named="no hour of no day",
        ),
        case("2023-02-29T00:00", f"'2023-02-29T00:00' {ON_NO_DAY}"),
        case("2024-04-31 10:00:00+05:30", f"'2024-04-31 10:00:00+05:30' {ON_NO_DAY}"),
        case("2024-04-31 10:00:00+05", f"'2024-04-31 10:00:00+05' {ON_NO_DAY}"),
        case("2024-13-01T00:00", f"'2024-13-01T00:00' {ON_NO_DAY}"),
        case("2024-01-00T00:00Z", f"'2024-01-00T00:00Z' {ON_NO_DAY}"),
        case("0000-01-01T00:00", f"'0000-01-01T00:00' {ON_NO_DAY}"),
    ],
)  # fmt: skip
def test_an_invalid_date_and_time_is_refused_with_the_wrong_part(text: str, message: str) -> None:
    assert refusal(field("datetime"), text) == ("invalid_datetime", message)


@pytest.mark.parametrize(
    "offset",
    [
        "+24:00", "-24:00", "+99:00", "+23:60", "+05:60", "-05:99", "+5:30", "+05:3", "+053",
        "+05:30:60", "\u221205:30", "+05:30Z", "Z+05:30", "ZZ", "  Z", " EST", "Z[UTC]",
    ],
)  # fmt: skip
def test_an_impossible_offset_is_refused_by_name(offset: str) -> None:
    text = f"2024-01-01T10:00:00{offset}"
    shown = f"{offset!r} {NO_OFFSET}"
    assert refusal(field("datetime"), text) == (
        "invalid_datetime", f"{text!r} {NO_DATETIME}: {shown}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "is_within"),
    [
        ("2024-01-01T00:00:00.123456Z", True),
        ("2024-01-01T00:00:00.123456000Z", True),
        ("2024-01-01T01:00:00.123456+01", True),
        ("2024-01-01T00:00:00.1234567Z", False),
        ("2024-01-01T00:00:00.123456001Z", False),
    ],
)
def test_nanoseconds_are_compared_to_the_last_digit(text: str, is_within: bool) -> None:
    entry = field("datetime", max="2024-01-01T00:00:00.123456Z")
    if is_within:
        assert read_value(entry, text)[1:20] == text[:19]
    else:
        assert refusal(entry, text)[0] == "above_maximum"
