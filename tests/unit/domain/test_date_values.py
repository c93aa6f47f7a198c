"""Dates and times: accepted spellings, what is stored, what is refused."""

import pytest

from cells import NO_DATETIME, case, field, read_value, refusal


@pytest.mark.parametrize(
    "text", ["2024-01-31", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"]
)
def test_a_date_is_stored_as_its_text(text: str) -> None:
    assert read_value(field("date"), text) == f'"{text}"'


NO_DATE = "is not a date written YYYY-MM-DD"
NO_DAY = "is no day of the calendar"


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
        case("2024-01-01T00:00", f"'2024-01-01T00:00' {NO_DATE}"),
        case(" 2024-01-01", f"' 2024-01-01' {NO_DATE}"),
        case("2024-01-01\n", rf"'2024-01-01\n' {NO_DATE}"),
        case("٢٠٢٤-01-01", f"'٢٠٢٤-01-01' {NO_DATE}", named="Arabic digits"),
        case("45292", f"'45292' {NO_DATE}", named="a spreadsheet's day number"),
    ],
)
def test_what_is_no_date_is_refused(text: str, message: str) -> None:
    assert refusal(field("date"), text) == ("invalid_date", message)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T10:00", "2024-01-01 10:00", "2024-01-01T10:00:59", "2024-01-01T10:00:00Z",
        "2024-01-01T10:00Z", "2024-01-01 10:00:00+05:30", "2024-01-01T10:00:00-00:00",
        "2024-01-01T10:00:00+23:59", "2024-01-01T10:00:00.1", "2024-01-01T10:00:00.12",
        "2024-01-01T10:00:00.123456Z", "2024-02-29T00:00", "2024-12-31T23:59:59.999999",
        "2024-01-01T00:00:00-23:59", "2024-01-01T00:00+00:00", "2024-01-01T00:00-09:30",
        "0001-01-01T00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2000-02-29T23:59:59Z",
    ],
)  # fmt: skip
def test_a_date_and_time_is_stored_as_its_text(text: str) -> None:
    assert read_value(field("datetime"), text) == f'"{text}"'


ON_NO_DAY = "is on no day of the calendar"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        case("2024-01-01", f"'2024-01-01' {NO_DATETIME}"),
        case("2024-01-01T10", f"'2024-01-01T10' {NO_DATETIME}"),
        case("2024-01-01t10:00", f"'2024-01-01t10:00' {NO_DATETIME}"),
        case("2024-01-01  10:00", f"'2024-01-01  10:00' {NO_DATETIME}"),
        case("2024-01-01T10:00z", f"'2024-01-01T10:00z' {NO_DATETIME}"),
        case("2024-01-01T10:00 Z", f"'2024-01-01T10:00 Z' {NO_DATETIME}"),
        case("2024-01-01T10:00+0530", f"'2024-01-01T10:00+0530' {NO_DATETIME}"),
        case("2024-01-01T10:00+05", f"'2024-01-01T10:00+05' {NO_DATETIME}"),
        case("2024-01-01T10:00:00.", f"'2024-01-01T10:00:00.' {NO_DATETIME}"),
        case("2024-01-01T10:00:00,5", f"'2024-01-01T10:00:00,5' {NO_DATETIME}"),
        case("2024-01-01T10:00:00.1234567", f"'2024-01-01T10:00:00.1234567' {NO_DATETIME}"),
        case("20240101T100000", f"'20240101T100000' {NO_DATETIME}"),
        case("1704103200", f"'1704103200' {NO_DATETIME}", named="a Unix time"),
        case("2024-01-01T10:00:00Z\n", rf"'2024-01-01T10:00:00Z\n' {NO_DATETIME}"),
        case(" 2024-01-01T10:00", f"' 2024-01-01T10:00' {NO_DATETIME}"),
        case("2024-01-01T1\u0660:00", f"'2024-01-01T1\u0660:00' {NO_DATETIME}", named="Arabic 0"),
        case("2024-01-01T24:00", f"'2024-01-01T24:00' {NO_DATETIME}"),
        case("2024-01-01T24:00:00Z", f"'2024-01-01T24:00:00Z' {NO_DATETIME}"),
        case("2024-01-01T29:00", f"'2024-01-01T29:00' {NO_DATETIME}"),
        case("2024-01-01T10:60", f"'2024-01-01T10:60' {NO_DATETIME}"),
        case("2016-12-31T23:59:60Z", f"'2016-12-31T23:59:60Z' {NO_DATETIME}", named="leap second"),
        case("2023-02-29T24:00", f"'2023-02-29T24:00' {NO_DATETIME}", named="no hour of no day"),
        case("2023-02-29T00:00", f"'2023-02-29T00:00' {ON_NO_DAY}"),
        case("2024-04-31 10:00:00+05:30", f"'2024-04-31 10:00:00+05:30' {ON_NO_DAY}"),
        case("2024-13-01T00:00", f"'2024-13-01T00:00' {ON_NO_DAY}"),
        case("2024-01-00T00:00Z", f"'2024-01-00T00:00Z' {ON_NO_DAY}"),
        case("0000-01-01T00:00", f"'0000-01-01T00:00' {ON_NO_DAY}"),
    ],
)
def test_what_is_no_date_and_time_is_refused(text: str, message: str) -> None:
    assert refusal(field("datetime"), text) == ("invalid_datetime", message)


@pytest.mark.parametrize(
    "offset",
    [
        "+24:00", "-24:00", "+99:00", "+23:60", "+05:60", "-05:99", "+5:30", "+05:3", "+0530",
        "+05", "+05:30:00", "05:30", "\u221205:30", "+05:30Z", "Z+05:30", "ZZ", " Z", " UTC",
    ],
)  # fmt: skip
def test_an_offset_that_no_clock_has_is_refused_in_our_words(offset: str) -> None:
    text = f"2024-01-01T10:00:00{offset}"
    assert refusal(field("datetime"), text) == ("invalid_datetime", f"'{text}' {NO_DATETIME}")
