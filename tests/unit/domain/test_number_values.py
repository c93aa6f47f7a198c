"""Integers, numbers and booleans: accepted spellings, stored values, and refusals."""

import pytest

from cells import FIRST_BEYOND, NO_NUMBER, OUT_OF_RANGE, case, field, read_value, refusal
from tasks_lib.domain.fields import Field


@pytest.mark.parametrize(
    "text",
    [
        "0", "5", "-7", "42", "10", "9223372036854775807", "-9223372036854775808",
        "9007199254740993",
    ],
)  # fmt: skip
def test_an_integer_is_stored_digit_by_digit(text: str) -> None:
    assert read_value(field("integer"), text) == text


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        pytest.param("5.0", "5", id="pandas, beside nulls"),
        pytest.param("-7.000", "-7", id="a column of decimals"),
        pytest.param("0.0", "0", id="zero"),
        pytest.param("1e+05", "100000", id="R"),
        pytest.param("1.0E7", "10000000", id="Spark"),
        pytest.param("1.5e1", "15", id="a fraction that the exponent takes"),
        pytest.param("9223372036854775807.0", "9223372036854775807", id="the largest"),
        pytest.param("-9223372036854775808.0", "-9223372036854775808", id="the smallest"),
    ],
)
def test_a_whole_number_that_is_written_as_a_float_is_an_integer(text: str, stored: str) -> None:
    assert read_value(field("integer"), text) == stored


NO_VALUE = "; leave the cell empty if there is no value"
NO_INTEGER = "is not a whole number such as 42 or -7"
MAYBE_ROUNDED = (
    ": a spreadsheet may have rounded it; show all digits of the column there, and export it again"
)
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
        case("1.5", f"'1.5' {NO_INTEGER}: it has decimals"),
        case("1.", f"'1.' {NO_INTEGER}"),
        case("15e-1", f"'15e-1' {NO_INTEGER}: it has decimals"),
        case("-0.0", f"'-0.0' {LOSSY}"),
        case("9223372036854775808.0", f"'9223372036854775808.0' {TOO_WIDE}"),
        case("1e19", f"'1e19' {TOO_WIDE}"),
        case("1.23457E+11", f"'1.23457E+11' {NO_INTEGER}{MAYBE_ROUNDED}"),
        case("-1E+11", f"'-1E+11' {NO_INTEGER}{MAYBE_ROUNDED}"),
        case("1e999", f"'1e999' {NO_INTEGER}"),
        case("1e99999999999", f"'1e99999999999' {NO_INTEGER}"),
        case("0x1", f"'0x1' {NO_INTEGER}"),
        case("٣", f"'٣' {NO_INTEGER}", named="an Arabic digit"),
        case("\uff15", f"'\uff15' {NO_INTEGER}", named="a full-width digit"),
        case("\u22125", f"'\u22125' {NO_INTEGER}", named="a minus sign"),
        case("-", f"'-' {NO_INTEGER}"),
        case("--1", f"'--1' {NO_INTEGER}"),
        case("five", f"'five' {NO_INTEGER}"),
        case("NaN", f"'NaN' {NO_INTEGER}{NO_VALUE}"),
        case("NA", f"'NA' {NO_INTEGER}{NO_VALUE}"),
        case("\\N", rf"'\\N' {NO_INTEGER}{NO_VALUE}"),
        case("5\x00", rf"'5\x00' {NO_INTEGER}"),
    ],
)
def test_an_invalid_integer_is_refused(text: str, message: str) -> None:
    assert refusal(field("integer"), text) == ("invalid_integer", message)


SEPARATED = f"{NO_NUMBER}: only a point may be in it, before the decimals"


@pytest.mark.parametrize(("text", "stored"), [(".5", "0.5"), ("-.25", "-0.25"), (".5e3", "0.5e3")])
def test_a_number_without_a_digit_before_its_point_gets_a_zero(text: str, stored: str) -> None:
    assert read_value(field("number"), text) == stored


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
        case("1.", f"'1.' {NO_NUMBER}"),
        case("1.e3", f"'1.e3' {NO_NUMBER}"),
        case("1e", f"'1e' {NO_NUMBER}"),
        case("+1", f"'+1' {NO_NUMBER}"),
        case("01", f"'01' {NO_NUMBER}"),
        case("-01.5", f"'-01.5' {NO_NUMBER}"),
        case(".", f"'.' {NO_NUMBER}"),
        case("1,5", f"'1,5' {SEPARATED}"),
        case("1.234,5", f"'1.234,5' {SEPARATED}"),
        case("1 000", f"'1 000' {SEPARATED}"),
        case("1_000", f"'1_000' {NO_NUMBER}"),
        case(" 1", f"' 1' {NO_NUMBER}: it has white space around it"),
        case("1\n", rf"'1\n' {NO_NUMBER}: it has white space around it"),
        case("NaN", f"'NaN' {NO_NUMBER}{NO_VALUE}"),
        case("nan", f"'nan' {NO_NUMBER}{NO_VALUE}"),
        case("Infinity", f"'Infinity' {NO_NUMBER}"),
        case("-inf", f"'-inf' {NO_NUMBER}"),
        case("0x1", f"'0x1' {NO_NUMBER}"),
        case("٣", f"'٣' {NO_NUMBER}", named="an Arabic digit"),
        case("5%", f"'5%' {NO_NUMBER}"),
        case("€5", f"'€5' {NO_NUMBER}"),
    ],
)
def test_an_invalid_number_is_refused(text: str, message: str) -> None:
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


@pytest.mark.parametrize(
    "text", ["true", "True", "TRUE", "tRuE", "yes", "Yes", "YES", "y", "Y", "t", "T", "1", "1.0"]
)
def test_true_has_these_spellings(text: str) -> None:
    assert read_value(field("boolean"), text) == "true"


@pytest.mark.parametrize(
    "text", ["false", "False", "FALSE", "fAlSe", "no", "No", "NO", "n", "N", "f", "F", "0", "0.0"]
)
def test_false_has_these_spellings(text: str) -> None:
    assert read_value(field("boolean"), text) == "false"


@pytest.mark.parametrize(
    "text",
    [
        "on", "off", "w", "2", "-1", "01", " true", "true ", "true\n", "ja", "1.00",
        pytest.param("\uff59", id="a full-width y"),
        pytest.param("ye\u017f", id="a long s"),
    ],
)  # fmt: skip
def test_any_other_spelling_of_a_boolean_is_refused(text: str) -> None:
    message = f"{text!r} is not true or false (nor yes/no, y/n, t/f, 1/0)"
    assert refusal(field("boolean"), text) == ("invalid_boolean", message)


def test_a_word_for_no_boolean_is_refused_with_the_way_out() -> None:
    message = "'null' is not true or false (nor yes/no, y/n, t/f, 1/0)"
    assert refusal(field("boolean"), "null") == ("invalid_boolean", f"{message}{NO_VALUE}")
