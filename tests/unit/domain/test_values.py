"""What each field type accepts in a cell, what is stored for it, and why the rest is refused."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from tasks_lib.domain.fields import Field
from tasks_lib.domain.names import shortened
from tasks_lib.domain.values import ValueProblemError, check_bounds_of, read_value

SELECT = {"single_select", "multi_select"}
OPTIONS = ["good", "bad", "so;so", 'in "quotes"', "[sic]"]


def field(kind: str, **constraints: object) -> Field:
    if kind in SELECT:
        constraints.setdefault("options", OPTIONS)
    return Field.model_validate({"name": "f", "type": kind, "source": "dataset", **constraints})


def refusal(entry: Field, text: str) -> tuple[str, str]:
    with pytest.raises(ValueProblemError) as caught:
        read_value(entry, text)
    return caught.value.code, str(caught.value)


def case(text: str, *expected: str, named: str | None = None) -> object:
    """A cell and what is expected of it; the cell itself names the case."""
    shown = text if len(text) < 30 else f"{text[:20]}... ({len(text)})"
    return pytest.param(text, *expected, id=named or ascii(shown)[1:-1])


KINDS = [
    "text", "long_text", "integer", "number", "boolean", "date", "datetime", "single_select",
    "multi_select", "url", "json",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_cell_of_a_required_field_is_refused(kind: str) -> None:
    assert refusal(field(kind), "") == ("required", "is required, but the cell is empty")


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_cell_of_an_optional_field_is_null(kind: str) -> None:
    assert read_value(field(kind, required=False), "") == "null"


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(field("text", required=False, min_length=3), id="min_length"),
        pytest.param(field("text", required=False, pattern="a+"), id="pattern"),
        pytest.param(field("integer", required=False, min=1), id="min"),
        pytest.param(field("date", required=False, max="2024-01-01"), id="max"),
        pytest.param(field("single_select", required=False), id="options"),
    ],
)
def test_constraints_say_nothing_of_an_empty_cell(entry: Field) -> None:
    assert read_value(entry, "") == "null"


# Texts


@pytest.mark.parametrize("kind", ["text", "long_text"])
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        case("001", '"001"'),
        case("NA", '"NA"'),
        case("null", '"null"'),
        case(" padded ", '" padded "'),
        case(" ", '" "'),
        case("12345678901234567890", '"12345678901234567890"'),
        case('say "hi"', r'"say \"hi\""'),
        case("back\\slash", r'"back\\slash"'),
        case("two\r\nlines\tand a tab", r'"two\r\nlines\tand a tab"'),
        case("\x00\x01\x1f", r'"\u0000\u0001\u001f"'),
        case("\x7f\x85", '"\x7f\x85"'),
        case("日本語 😀", '"日本語 😀"'),
        case("e\u0301", '"e\u0301"'),
        case("\u2028", '"\u2028"'),
        case("=SUM(A1)", '"=SUM(A1)"'),
    ],
)
def test_a_text_is_stored_as_it_was_written(kind: str, text: str, stored: str) -> None:
    assert read_value(field(kind), text) == stored


@pytest.mark.parametrize(
    ("constraints", "text", "code", "message"),
    [
        pytest.param(
            {"min_length": 3}, "ab", "too_short", "'ab' has 2 characters, 3 needed", id="short"
        ),
        pytest.param(
            {"max_length": 3}, "abcd", "too_long", "'abcd' has 4 characters, 3 allowed", id="long"
        ),
        pytest.param(
            {"max_length": 1_000},
            "x" * 1_234,
            "too_long",
            f"{'x' * 60!r}... (1,234 characters) has 1,234 characters, 1,000 allowed",
            id="very long",
        ),
        pytest.param(
            {"pattern": "[a-z]+"},
            "ab1",
            "pattern_mismatch",
            "'ab1' does not match the pattern [a-z]+",
            id="pattern",
        ),
        pytest.param(
            {"pattern": "[a-z]+"},
            "ab\n",
            "pattern_mismatch",
            r"'ab\n' does not match the pattern [a-z]+",
            id="pattern of the whole text",
        ),
        pytest.param(
            {"max_length": 1}, "e\u0301", "too_long", "'e\u0301' has 2 characters, 1 allowed",
            id="combining characters count",
        ),
    ],
)  # fmt: skip
def test_a_text_that_breaks_a_constraint_is_refused(
    constraints: dict[str, object], text: str, code: str, message: str
) -> None:
    assert refusal(field("text", **constraints), text) == (code, message)


@pytest.mark.parametrize(
    ("constraints", "text"),
    [
        pytest.param({"min_length": 3, "max_length": 3}, "abc", id="exact length"),
        pytest.param({"max_length": 1}, "😀", id="a character beyond the BMP counts once"),
        pytest.param({"pattern": "[a-z]+|é"}, "é", id="pattern"),
        pytest.param({"min_length": 0}, "a", id="min_length 0"),
    ],
)
def test_a_text_within_its_constraints_is_stored(constraints: dict[str, object], text: str) -> None:
    assert read_value(field("text", **constraints), text) == f'"{text}"'


# Numbers


@pytest.mark.parametrize(
    "text",
    [
        "0", "5", "-7", "42", "10", "9223372036854775807", "-9223372036854775808",
        "9007199254740993",
    ],
)  # fmt: skip
def test_an_integer_is_stored_digit_by_digit(text: str) -> None:
    assert read_value(field("integer"), text) == text


NO_INTEGER = "is not a whole number such as 42 or -7"
LOSSY = "has a sign or zeros in front that would be lost; a text field keeps them"
TOO_WIDE = "does not fit in 64 bits; a text field keeps it"
SPACED = f"{NO_INTEGER}: it has white space around it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        case("001", f"'001' {LOSSY}"),
        case("00", f"'00' {LOSSY}"),
        case("-007", f"'-007' {LOSSY}"),
        case("+5", f"'+5' {LOSSY}"),
        case("-0", f"'-0' {LOSSY}"),
        case("9223372036854775808", f"'9223372036854775808' {TOO_WIDE}"),
        case("-9223372036854775809", f"'-9223372036854775809' {TOO_WIDE}"),
        case("9" * 5_000, f"'{'9' * 60}'... (5,000 characters) {TOO_WIDE}"),
        case(" 5", f"' 5' {SPACED}"),
        case("5\n", rf"'5\n' {SPACED}"),
        case("\u00a05", rf"'\xa05' {SPACED}"),
        case("1_000", f"'1_000' {NO_INTEGER}"),
        case("1,000", f"'1,000' {NO_INTEGER}"),
        case("1.0", f"'1.0' {NO_INTEGER}"),
        case("1e3", f"'1e3' {NO_INTEGER}"),
        case("0x1", f"'0x1' {NO_INTEGER}"),
        case("٣", f"'٣' {NO_INTEGER}", named="an Arabic digit"),
        case("\uff15", f"'\uff15' {NO_INTEGER}", named="a full-width digit"),
        case("\u22125", f"'\u22125' {NO_INTEGER}", named="a minus sign"),
        case("-", f"'-' {NO_INTEGER}"),
        case("--1", f"'--1' {NO_INTEGER}"),
        case("five", f"'five' {NO_INTEGER}"),
        case("NaN", f"'NaN' {NO_INTEGER}"),
        case("5\x00", rf"'5\x00' {NO_INTEGER}"),
    ],
)
def test_what_is_no_plain_integer_is_refused(text: str, message: str) -> None:
    assert refusal(field("integer"), text) == ("invalid_integer", message)


FIRST_BEYOND = 2**1024 - 2**970
"""The smallest number that a 64-bit float rounds to infinity."""


@pytest.mark.parametrize(
    "text",
    [
        "0", "-0", "-0.0", "1", "-3", "12.5", "1.10", "0.10", "1e5", "1E5", "1e+5", "1E-05", "1e05",
        "1e308", "1.7976931348623157e308", "1e-400", "1e-999", "0e999", "1e005",
        "12345678901234567890", "0.1000000000000000055511151231257827",
        pytest.param("1" * 308, id="308 digits"),
        pytest.param(str(FIRST_BEYOND - 1), id="the last whole number within"),
        pytest.param("0." + "1" * 400, id="400 decimals"),
        pytest.param("0." + "0" * 5_000 + "1", id="5,001 decimals"),
    ],
)  # fmt: skip
def test_a_number_is_stored_digit_by_digit(text: str) -> None:
    assert read_value(field("number"), text) == text


NO_NUMBER = "is not a number such as 12.5, -3 or 1e6"
OUT_OF_RANGE = "is outside the range of a 64-bit number"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        case("1e999", f"'1e999' {OUT_OF_RANGE}"),
        case("-1e999", f"'-1e999' {OUT_OF_RANGE}"),
        case("1e309", f"'1e309' {OUT_OF_RANGE}"),
        case("1.7976931348623159e308", f"'1.7976931348623159e308' {OUT_OF_RANGE}"),
        case(
            str(FIRST_BEYOND),
            f"'{str(FIRST_BEYOND)[:60]}'... (309 characters) {OUT_OF_RANGE}",
            named="the first whole number beyond",
        ),
        case("9" * 309, f"'{'9' * 60}'... (309 characters) {OUT_OF_RANGE}"),
        case("-" + "9" * 5_000, f"'-{'9' * 59}'... (5,001 characters) {OUT_OF_RANGE}"),
        case("1e1000", f"'1e1000' {OUT_OF_RANGE}"),
        case("1E+1000", f"'1E+1000' {OUT_OF_RANGE}"),
        case("1e-1000", f"'1e-1000' {OUT_OF_RANGE}"),
        case("1e0005", f"'1e0005' {OUT_OF_RANGE}", named="an exponent of four digits"),
        case("1e-99999999999999999999", f"'1e-99999999999999999999' {OUT_OF_RANGE}"),
        case("0e99999999999999999999", f"'0e99999999999999999999' {OUT_OF_RANGE}"),
        case(".5", f"'.5' {NO_NUMBER}"),
        case("1.", f"'1.' {NO_NUMBER}"),
        case("1.e3", f"'1.e3' {NO_NUMBER}"),
        case("1e", f"'1e' {NO_NUMBER}"),
        case("+1", f"'+1' {NO_NUMBER}"),
        case("01", f"'01' {NO_NUMBER}"),
        case("-01.5", f"'-01.5' {NO_NUMBER}"),
        case("1,5", f"'1,5' {NO_NUMBER}"),
        case("1 000", f"'1 000' {NO_NUMBER}"),
        case("1_000", f"'1_000' {NO_NUMBER}"),
        case(" 1", f"' 1' {NO_NUMBER}"),
        case("1\n", rf"'1\n' {NO_NUMBER}"),
        case("NaN", f"'NaN' {NO_NUMBER}"),
        case("nan", f"'nan' {NO_NUMBER}"),
        case("Infinity", f"'Infinity' {NO_NUMBER}"),
        case("-inf", f"'-inf' {NO_NUMBER}"),
        case("0x1", f"'0x1' {NO_NUMBER}"),
        case("٣", f"'٣' {NO_NUMBER}", named="an Arabic digit"),
        case("5%", f"'5%' {NO_NUMBER}"),
        case("€5", f"'€5' {NO_NUMBER}"),
    ],
)
def test_what_is_no_plain_number_is_refused(text: str, message: str) -> None:
    assert refusal(field("number"), text) == ("invalid_number", message)


@pytest.mark.parametrize(
    ("entry", "text", "code", "message"),
    [
        pytest.param(
            field("integer", min=1, max=5), "0",
            "below_minimum", "'0' is below the minimum 1", id="integer below",
        ),
        pytest.param(
            field("integer", min=1, max=5), "6",
            "above_maximum", "'6' is above the maximum 5", id="integer above",
        ),
        pytest.param(
            field("integer", max=9007199254740992), "9007199254740993",
            "above_maximum", "'9007199254740993' is above the maximum 9007199254740992",
            id="integers that are one float",
        ),
        pytest.param(
            field("number", min="0.1"), "0.09999999999999999999999999",
            "below_minimum", "'0.09999999999999999999999999' is below the minimum 0.1",
            id="numbers that are one float",
        ),
        pytest.param(
            field("number", min=0.5), "-1e300",
            "below_minimum", "'-1e300' is below the minimum 0.5", id="number below",
        ),
        pytest.param(
            field("number", max="1e3"), "1000.1",
            "above_maximum", "'1000.1' is above the maximum 1e3", id="number above",
        ),
        pytest.param(
            field("number", min=1), "1e-999",
            "below_minimum", "'1e-999' is below the minimum 1", id="longest exponent below",
        ),
        pytest.param(
            field("number", max=0), "1e-999",
            "above_maximum", "'1e-999' is above the maximum 0", id="more than the float that it is",
        ),
        pytest.param(
            field("number", min=1), "1e-99999999999999999999",
            "invalid_number", f"'1e-99999999999999999999' {OUT_OF_RANGE}",
            id="exponent beyond any decimal, before its bound",
        ),
        pytest.param(
            field("date", min="2024-01-01"), "2023-12-31",
            "below_minimum", "'2023-12-31' is below the minimum 2024-01-01", id="date below",
        ),
        pytest.param(
            field("date", max="2024-12-31"), "2025-01-01",
            "above_maximum", "'2025-01-01' is above the maximum 2024-12-31", id="date above",
        ),
        pytest.param(
            field("datetime", min="2024-01-01T00:00:00Z"), "2024-01-01T00:30:00+01:00",
            "below_minimum",
            "'2024-01-01T00:30:00+01:00' is below the minimum 2024-01-01T00:00:00Z",
            id="datetime below, by its instant",
        ),
        pytest.param(
            field("datetime", max="2024-01-01T00:00:00"), "2023-12-31T23:30:00-01:00",
            "above_maximum",
            "'2023-12-31T23:30:00-01:00' is above the maximum 2024-01-01T00:00:00",
            id="datetime above, by its instant",
        ),
        pytest.param(
            field("datetime", min="2024-01-01T00:00:00.000001"), "2024-01-01T00:00",
            "below_minimum", "'2024-01-01T00:00' is below the minimum 2024-01-01T00:00:00.000001",
            id="datetime below by a microsecond",
        ),
    ],
)  # fmt: skip
def test_a_value_beyond_a_bound_is_refused(
    entry: Field, text: str, code: str, message: str
) -> None:
    assert refusal(entry, text) == (code, message)


@pytest.mark.parametrize(
    ("entry", "text", "stored"),
    [
        pytest.param(field("integer", min=1, max=5), "1", "1", id="lowest integer"),
        pytest.param(field("integer", min=1, max=5), "5", "5", id="highest integer"),
        pytest.param(field("number", min="0.1"), "0.10", "0.10", id="the bound, spelled otherwise"),
        pytest.param(field("number", max=1000), "1e3", "1e3", id="the bound as an exponent"),
        pytest.param(
            field("date", min="2024-01-01"), "2024-01-01", '"2024-01-01"', id="first date"
        ),
        pytest.param(
            field("datetime", min="2024-01-01T00:00:00Z"),
            "2024-01-01T00:00",
            '"2024-01-01T00:00"',
            id="without an offset it counts as UTC",
        ),
        pytest.param(
            field("datetime", max="9999-12-31T23:59:59-23:59"),
            "9999-12-31T23:59+23:59",
            '"9999-12-31T23:59+23:59"',
            id="at the end of the calendar",
        ),
        pytest.param(
            field("datetime", min="0001-01-01T00:00:00+23:59"),
            "0001-01-01T00:00+23:59",
            '"0001-01-01T00:00+23:59"',
            id="at the start of the calendar",
        ),
        pytest.param(
            field("datetime", max="2024-01-01T00:00:00.1Z"),
            "2024-01-01T05:30:00.100000+05:30",
            '"2024-01-01T05:30:00.100000+05:30"',
            id="the bound, elsewhere and with more digits",
        ),
    ],
)
def test_the_bounds_themselves_are_allowed(entry: Field, text: str, stored: str) -> None:
    assert read_value(entry, text) == stored


# Booleans


@pytest.mark.parametrize(
    "text", ["true", "True", "TRUE", "tRuE", "yes", "Yes", "YES", "y", "Y", "1"]
)
def test_true_has_these_spellings(text: str) -> None:
    assert read_value(field("boolean"), text) == "true"


@pytest.mark.parametrize(
    "text", ["false", "False", "FALSE", "fAlSe", "no", "No", "NO", "n", "N", "0"]
)
def test_false_has_these_spellings(text: str) -> None:
    assert read_value(field("boolean"), text) == "false"


@pytest.mark.parametrize(
    "text",
    [
        "on", "off", "t", "f", "2", "-1", "01", " true", "true ", "true\n", "null", "ja", "1.0",
        pytest.param("\uff59", id="a full-width y"),
        pytest.param("ye\u017f", id="a long s"),
    ],
)  # fmt: skip
def test_what_is_no_spelling_of_true_or_false_is_refused(text: str) -> None:
    message = f"{text!r} is not true or false (nor yes/no, y/n, 1/0)"
    assert refusal(field("boolean"), text) == ("invalid_boolean", message)


# Dates


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


NO_DATETIME = "is not a date and time like 2026-11-23T13:45:00Z"
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


# Selects


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        case("good", '"good"'),
        case("so;so", '"so;so"'),
        case('in "quotes"', r'"in \"quotes\""'),
        case("[sic]", '"[sic]"'),
    ],
)
def test_an_option_is_stored_as_it_was_written(text: str, stored: str) -> None:
    assert read_value(field("single_select"), text) == stored


LISTED = 'is not one of the options (good, bad, so;so, in "quotes", [sic])'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        case("Good", f"'Good' {LISTED}; did you mean 'good'?"),
        case("goood", f"'goood' {LISTED}; did you mean 'good'?"),
        case(" good", f"' good' {LISTED}; did you mean 'good'?"),
        case("good\n", rf"'good\n' {LISTED}; did you mean 'good'?"),
        case("go\u200bod", rf"'go\u200bod' {LISTED}; did you mean 'good'?"),
        case("so; so", f"'so; so' {LISTED}; did you mean 'so;so'?"),
        case("zzz", f"'zzz' {LISTED}"),
        case("good;bad", f"'good;bad' {LISTED}; did you mean 'good'?"),
    ],
)
def test_what_is_no_option_is_refused_with_the_nearest_one(text: str, message: str) -> None:
    assert refusal(field("single_select"), text) == ("not_an_option", message)


def test_of_many_options_ten_are_shown() -> None:
    entry = field("single_select", options=[f"o{number}" for number in range(11)])
    message = "'x' is not one of the options (o0, o1, o2, o3, o4, o5, o6, o7, o8, o9, ...)"
    assert refusal(entry, "x") == ("not_an_option", message)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        case("good", '["good"]'),
        case("bad;good", '["bad","good"]'),
        case('["good"]', '["good"]'),
        case('[ "bad" , "good" ]', '["bad","good"]'),
        case('["so;so","good"]', '["so;so","good"]'),
        case(r'["in \"quotes\""]', r'["in \"quotes\""]'),
        case(r'["g\u006fod"]', '["good"]'),
        case('["[sic]"]', '["[sic]"]'),
        case('in "quotes";good', r'["in \"quotes\"","good"]'),
    ],
)
def test_options_are_written_with_semicolons_or_as_a_json_array(text: str, stored: str) -> None:
    assert read_value(field("multi_select"), text) == stored


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        case("good; bad", "not_an_option", f"' bad' {LISTED}; did you mean 'bad'?"),
        case("good,bad", "not_an_option", f"'good,bad' {LISTED}; did you mean 'good'?"),
        case("Good", "not_an_option", f"'Good' {LISTED}; did you mean 'good'?"),
        case("good;", "not_an_option", f"'' {LISTED}"),
        case(";", "not_an_option", f"'' {LISTED}"),
        case("so;so", "not_an_option", f"'so' {LISTED}"),
        case('["nil"]', "not_an_option", f"'nil' {LISTED}"),
        case('[""]', "not_an_option", f"'' {LISTED}"),
        case(r'["\ud800"]', "not_an_option", rf"'\ud800' {LISTED}"),
        case("good;good", "duplicate_option", "'good;good' names an option twice"),
        case('["bad","bad"]', "duplicate_option", """'["bad","bad"]' names an option twice"""),
        case("[1]", "not_an_option", "'[1]' begins like a JSON array but is not one of strings"),
        case(
            "[null]", "not_an_option", "'[null]' begins like a JSON array but is not one of strings"
        ),
        case(
            "[good]", "not_an_option", "'[good]' begins like a JSON array but is not one of strings"
        ),
        case(
            '["good"', "not_an_option",
            """'["good"' begins like a JSON array but is not one of strings""",
        ),
        case(
            "[sic]", "not_an_option", "'[sic]' begins like a JSON array but is not one of strings"
        ),
        case(
            "[" * 100_000, "not_an_option",
            f"'{'[' * 60}'... (100,000 characters) begins like a JSON array but is not one of "
            "strings",
        ),
        case(
            "[[]]", "not_an_option", "'[[]]' begins like a JSON array but is not one of strings"
        ),
    ],
)  # fmt: skip
def test_what_is_no_choice_of_options_is_refused(text: str, code: str, message: str) -> None:
    assert refusal(field("multi_select"), text) == (code, message)


@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
@pytest.mark.parametrize(
    ("text", "shown"), [case("[]", "'[]'"), case("[ ]", "'[ ]'"), case("[\n]", r"'[\n]'")]
)
def test_an_array_without_options_is_no_way_to_choose_nothing(
    text: str, shown: str, required: bool
) -> None:
    message = f"{shown} names no option; leave the cell empty for that"
    assert refusal(field("multi_select", required=required), text) == ("not_an_option", message)


# URLs

CONTROLS = [*map(chr, range(0x20)), "\x7f", "\x85"]


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com", "http://example.com/", "HTTPS://EXAMPLE.COM/A", "https://e.com?a=b",
        "https://e.com#part", "https://e.com/a%20b", "https://e.com:8443/", "https://u:p@e.com/",
        "https://1.2.3.4/", "https://[::1]/", "https://[2001:db8::1]:80/a", "https://localhost",
        "https://例え.jp/ü?q=é", "https://xn--r8jz45g.jp", "https://e.com/'(a);b,c=[d]{e}|~",
    ],
)  # fmt: skip
def test_an_absolute_url_is_stored_as_its_text(text: str) -> None:
    assert read_value(field("url"), text) == f'"{text}"'


@pytest.mark.parametrize(
    "text",
    [
        "https://", "http:///a", "https://?a", "https://#a", "https://:80", "https://u@", "http:/a",
        "//e.com", "e.com", "/a", "ftp://e.com/a", "s3://bucket/key", "file:///etc/passwd",
        "mailto:a@e.com", "javascript:alert(1)", "data:text/plain,a", "https://e.com/a b",
        "https://e .com", " https://e.com", "https://e.com\n", "https://e.com/\ta",
        "https://e.com/\u00a0", "https://[::1", "https://[::g]/", "https://e.com]", "https://e:0",
        "https://e:65536", "https://e:x", "https://ex\u2100mple.com",
        *(
            pytest.param(f"https://e{control}.com/", id=f"U+{ord(control):04X} in the host")
            for control in CONTROLS
        ),
        *(
            pytest.param(f"https://e.com/{control}a", id=f"U+{ord(control):04X} in the path")
            for control in CONTROLS
        ),
        *(
            pytest.param(f"https://e.com?a=b{control}", id=f"U+{ord(control):04X} at the end")
            for control in CONTROLS
        ),
    ],
)  # fmt: skip
def test_what_is_no_absolute_url_is_refused(text: str) -> None:
    message = f"{text!r} is not an absolute URL such as https://example.com/a"
    assert refusal(field("url"), text) == ("invalid_url", message)


@pytest.mark.parametrize(
    ("constraints", "code", "message"),
    [
        pytest.param(
            {"max_length": 10}, "too_long",
            "'https://e.com/a' has 15 characters, 10 allowed", id="max_length",
        ),
        pytest.param(
            {"min_length": 20}, "too_short",
            "'https://e.com/a' has 15 characters, 20 needed", id="min_length",
        ),
        pytest.param(
            {"pattern": r"https://.*\.png"}, "pattern_mismatch",
            r"'https://e.com/a' does not match the pattern https://.*\.png", id="pattern",
        ),
    ],
)  # fmt: skip
def test_a_url_keeps_the_constraints_of_texts(
    constraints: dict[str, object], code: str, message: str
) -> None:
    assert refusal(field("url", **constraints), "https://e.com/a") == (code, message)


# JSON


@pytest.mark.parametrize(
    "text",
    [
        "{}", "[]", "[null]", "true", "false", "0", "-0", '""', '"a"', " 1 ", '"null"',
        '{"a": [1, {"b": null}]}',
        "1.10", "1e308", "1e-400", "0e999", "-1E-999", "12345678901234567890",
        '{"a": 1.0000000000000000000001}', '"1e999"', '{"1e999": "0e9999"}',
        r'"\u00e9"', '"é"', r'"\ud83d\ude00"', '"😀"', r'"\n\t\"\\\/"', '"\x7f\u2028"', '{"": 1}',
        r'"\\u0000"', r'"C:\\u0000"', r'{"\\\\u0000": 1}', r'"\n\\u0000"', '"u0000"',
        pytest.param("[" * 64 + "]" * 64, id="64 levels"),
        pytest.param('{"a":[' * 32 + "1" + "]}" * 32, id="64 levels of both"),
        pytest.param("[" + "[1]," * 1_000 + "{}]", id="wide, not deep"),
        pytest.param("9" * 308, id="308 digits"),
        pytest.param("0." + "9" * 5_000, id="5,000 decimals"),
    ],
)  # fmt: skip
def test_a_json_document_is_stored_as_it_was_written(text: str) -> None:
    assert read_value(field("json"), text) == text


@pytest.mark.parametrize("text", ["null", " null", "null ", "\tnull\r\n"])
def test_a_json_null_is_no_value_of_a_required_field(text: str) -> None:
    assert refusal(field("json"), text) == ("required", "is required, but the cell says null")


@pytest.mark.parametrize(
    ("text", "stored"),
    [case("null", "null"), case(" null ", " null "), case("\tnull\r\n", " null  ")],
)
def test_a_json_null_is_a_value_of_an_optional_field(text: str, stored: str) -> None:
    assert read_value(field("json", required=False), text) == stored


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        case('{\n"a":\t1\r\n}', '{ "a": 1  }'),
        case("\n[1,\n2]\n", " [1, 2] "),
        case('{"a\\nb":\n"c\\td"}', '{"a\\nb": "c\\td"}'),
    ],
)
def test_line_breaks_and_tabs_between_tokens_become_spaces(text: str, stored: str) -> None:
    assert read_value(field("json"), text) == stored


DOUBLED = "is not valid JSON: the key"
NUMBER = "is not valid JSON: the number"
TOO_DEEP = "is nested deeper than 64 levels"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        case('{"a":1,"a":2}', f"{DOUBLED} 'a' stands twice in one object"),
        case(r'[{"a":1,"\u0061":2}]', f"{DOUBLED} 'a' stands twice in one object"),
        case('{"a":{"b":1,"c":2,"b":3}}', f"{DOUBLED} 'b' stands twice in one object"),
        case('{"a":1,"b":1,"b":2,"a":2}', f"{DOUBLED} 'b' stands twice in one object"),
        case(r'{"\n":1,"\n":2}', rf"{DOUBLED} '\n' stands twice in one object"),
        case(
            '{"' + "k" * 60 + '":1,"' + "k" * 60 + '":1}',
            f"{DOUBLED} '{'k' * 60}' stands twice in one object",
            named="a doubled key of 60 characters",
        ),
        case(
            '{"' + "k" * 1_234 + '":1,"' + "k" * 1_234 + '":1}',
            f"{DOUBLED} '{'k' * 60}'... (1,234 characters) stands twice in one object",
            named="a doubled key of 1,234 characters",
        ),
        case("1e999", f"{NUMBER} '1e999' {OUT_OF_RANGE}"),
        case("-1E+400", f"{NUMBER} '-1E+400' {OUT_OF_RANGE}"),
        case("1e309", f"{NUMBER} '1e309' {OUT_OF_RANGE}"),
        case('{"a": [1, 1e1000]}', f"{NUMBER} '1e1000' {OUT_OF_RANGE}"),
        case("[1e-1000]", f"{NUMBER} '1e-1000' {OUT_OF_RANGE}"),
        case("9" * 309, f"{NUMBER} '{'9' * 20}'... (309 characters) {OUT_OF_RANGE}"),
        case(
            "[1,-" + "9" * 5_000 + "]",
            f"{NUMBER} '-{'9' * 19}'... (5,001 characters) {OUT_OF_RANGE}",
        ),
        case(
            "1e-99999999999999999999",
            f"{NUMBER} '1e-99999999999999999'... (23 characters) {OUT_OF_RANGE}",
        ),
        case(
            "0e99999999999999999999",
            f"{NUMBER} '0e999999999999999999'... (22 characters) {OUT_OF_RANGE}",
        ),
        case("NaN", "is not valid JSON: NaN is not JSON"),
        case("[-Infinity]", "is not valid JSON: -Infinity is not JSON"),
        case('{"a":1} x', "is not valid JSON: Extra data: line 1 column 9 (char 8)"),
        case("{}{}", "is not valid JSON: Extra data: line 1 column 3 (char 2)"),
        case("01", "is not valid JSON: Extra data: line 1 column 2 (char 1)"),
        case("tru", "is not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        case("hello", "is not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        case("'a'", "is not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        case(" ", "is not valid JSON: Expecting value: line 1 column 2 (char 1)"),
        case("\u00a01", "is not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        case('"a\nb"', "is not valid JSON: Invalid control character at: line 1 column 3 (char 2)"),
        case(r'"\x41"', r"is not valid JSON: Invalid \escape: line 1 column 2 (char 1)"),
        case(r'"\ud800"', "holds half of a surrogate pair"),
        case(r'{"\udc00": 1}', "holds half of a surrogate pair"),
        case(r'"\u0000"', "holds a NUL character"),
        case(r'{"a\u0000": 1}', "holds a NUL character"),
        case(r'"\\\u0000"', "holds a NUL character"),
        case(r'"\\\\\u0000"', "holds a NUL character"),
        case(r'"\\u0000\u0000"', "holds a NUL character"),
        case(r'"\u0001\u0000"', "holds a NUL character"),
        case(r'"\"\u0000"', "holds a NUL character"),
        case(r'["\\", "\u0000"]', "holds a NUL character"),
        case("[" * 65 + "]" * 65, TOO_DEEP, named="65 levels"),
        case('{"a":' * 65 + "1" + "}" * 65, TOO_DEEP, named="65 objects"),
        case("[" * 990 + "]" * 990, TOO_DEEP, named="990 levels"),
        case("[" * 5_000 + "]" * 5_000, TOO_DEEP, named="5,000 levels"),
        case("[" * 500_000 + "]" * 500_000, TOO_DEEP, named="500,000 levels"),
        case('{"a":' * 5_000 + "1" + "}" * 5_000, TOO_DEEP, named="5,000 objects"),
        case('{"a":[' * 50_000 + "1" + "]}" * 50_000, TOO_DEEP, named="100,000 levels of both"),
        case("[" * 1_000_000, TOO_DEEP, named="1,000,000 brackets that never close"),
    ],
)
def test_what_is_no_json_document_is_refused(text: str, reason: str) -> None:
    shown = repr(text) if len(text) <= 60 else f"{text[:60]!r}... ({len(text):,} characters)"
    assert refusal(field("json"), text) == ("invalid_json", f"{shown} {reason}")


# What holds for every type


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param("text", "x" * 100_000, id="text"),
        pytest.param("integer", "x" * 100_000, id="integer"),
        pytest.param("number", "9" * 100_000, id="number"),
        pytest.param("boolean", "x" * 100_000, id="boolean"),
        pytest.param("date", "x" * 100_000, id="date"),
        pytest.param("datetime", "x" * 100_000, id="datetime"),
        pytest.param("single_select", "x" * 100_000, id="single_select"),
        pytest.param("multi_select", "x" * 100_000, id="multi_select"),
        pytest.param("multi_select", '["' + "x" * 100_000 + '"]', id="multi_select as JSON"),
        pytest.param("url", "x" * 100_000, id="url"),
        pytest.param("json", "x" * 100_000, id="json"),
        pytest.param(
            "json",
            '{"' + "k" * 50_000 + '":1,"' + "k" * 50_000 + '":1}',
            id="key that stands twice",
        ),
        pytest.param("json", "9" * 100_000, id="JSON number"),
    ],
)
def test_a_message_stays_short_however_long_the_cell_is(kind: str, text: str) -> None:
    constraints = {"max_length": 10} if kind == "text" else {}
    _, message = refusal(field(kind, **constraints), text)
    assert len(message) < 400


@given(st.text(st.characters(codec="utf-8"), min_size=1))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_read_back_as_it_was_written(text: str) -> None:
    assert json.loads(read_value(field("text"), text)) == text


@given(st.integers(-(2**63), 2**63 - 1))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_integer_of_64_bits_is_stored_as_its_text(number: int) -> None:
    assert read_value(field("integer"), str(number)) == str(number)


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_number_is_stored_as_its_text(text: str) -> None:
    assume(text.isascii())
    stored = read_value(field("number"), text)
    assert stored == text
    assert json.loads(stored, parse_float=Decimal, parse_int=Decimal) == Decimal(text)


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        ("number", "invalid_number", OUT_OF_RANGE),
        ("json", "invalid_json", "is not valid JSON: the number {0} " + OUT_OF_RANGE),
    ],
)
@given(
    text=st.from_regex(
        r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?[eE][+-]?[0-9]{1,25}", fullmatch=True
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_number_is_stored_as_its_text_or_out_of_range(
    kind: str, code: str, reason: str, text: str
) -> None:
    assume(text.isascii())
    digits = text.lower().partition("e")[2].lstrip("+-")
    if len(digits) < 4 and Decimal(text).copy_abs() < FIRST_BEYOND:
        assert read_value(field(kind), text) == text
    else:
        message = f"{shortened(text)} {reason.format(shortened(text, 20))}"
        assert refusal(field(kind), text) == (code, message)


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_float_survives_as_the_number_that_it_is(number: float) -> None:
    assert float(read_value(field("number"), repr(number))) == number


SPELLINGS = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    ).map(json.dumps),
    st.lists(st.sampled_from(OPTIONS), min_size=1, max_size=3).map(";".join),
    st.dates().map(str),
    st.datetimes().map(str),
    st.floats().map(repr),
    st.sampled_from(["yes", "N", "https://e.com/a", "https://e.com/\x01", '{\r\n\t"a":\n1}', "[]"]),
    st.sampled_from(["1e999", "0e9999", "[1e-999]", " null\n", '{"a":\t1e9999}', r'"\\u0000"']),
)


def finite(number: str) -> float:
    assert math.isfinite(float(number)), number
    return float(number)


@pytest.mark.parametrize("kind", KINDS)
@given(text=SPELLINGS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_stored_is_json_on_one_line_without_control_characters(
    kind: str, text: str
) -> None:
    try:
        stored = read_value(field(kind), text)
    except ValueProblemError:
        return
    json.loads(stored, parse_int=finite, parse_float=finite, parse_constant=finite)
    assert [character for character in stored if character < " "] == []


# Bounds


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
            "field 'f': the bound '1.5' is not a whole number such as 42 or -7",
            id="a fraction for an integer",
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
            "field 'f': the bound '2023-02-29' is no day of the calendar",
            id="no date",
        ),
        pytest.param(
            field("datetime", max="2024-01-01"),
            f"field 'f': the bound '2024-01-01' {NO_DATETIME}",
            id="a date for a datetime",
        ),
        pytest.param(
            field("datetime", max="2024-01-01T24:00"),
            f"field 'f': the bound '2024-01-01T24:00' {NO_DATETIME}",
            id="an hour that no day has",
        ),
        pytest.param(
            field("datetime", min="2023-02-29T00:00Z"),
            "field 'f': the bound '2023-02-29T00:00Z' is on no day of the calendar",
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
