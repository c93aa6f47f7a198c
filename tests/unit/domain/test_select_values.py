"""Options: spellings of one or several, and refusals with suggestions."""

import pytest

from cells import case, field, read_value, refusal


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
def test_an_unknown_option_is_refused_with_the_nearest_one(text: str, message: str) -> None:
    assert refusal(field("single_select"), text) == ("not_an_option", message)


def test_a_refusal_shows_at_most_ten_options() -> None:
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
        case("good;bad;", '["good","bad"]'),
        case("good; bad", '["good","bad"]'),
        case("bad,good", '["bad","good"]'),
        case("bad, good", '["bad","good"]'),
        case("[good]", '["good"]'),
        case("[bad, good]", '["bad","good"]'),
        case("['bad', 'good']", '["bad","good"]'),
        case("{bad,good}", '["bad","good"]'),
        case('{"so;so",good}', '["so;so","good"]'),
    ],
)
def test_options_are_written_with_semicolons_or_as_a_json_array(text: str, stored: str) -> None:
    assert read_value(field("multi_select"), text) == stored


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        case("good;;bad", "not_an_option", f"'' {LISTED}"),
        case(
            "good,wrong", "not_an_option",
            f"'good,wrong' {LISTED}; write a semicolon between options",
        ),
        case("Good", "not_an_option", f"'Good' {LISTED}; did you mean 'good'?"),
        case("good;;", "not_an_option", f"'' {LISTED}"),
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
        case("{good", "not_an_option", f"'{{good' {LISTED}; did you mean 'good'?"),
        case("{nil}", "not_an_option", f"'{{nil}}' {LISTED}"),
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
def test_an_invalid_choice_of_options_is_refused(text: str, code: str, message: str) -> None:
    assert refusal(field("multi_select"), text) == (code, message)


@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
@pytest.mark.parametrize(
    ("text", "shown"), [case("[]", "'[]'"), case("[ ]", "'[ ]'"), case("[\n]", r"'[\n]'")]
)
def test_an_empty_array_of_options_is_refused(text: str, shown: str, required: bool) -> None:
    message = f"{shown} names no option; leave the cell empty for that"
    assert refusal(field("multi_select", required=required), text) == ("not_an_option", message)


@pytest.mark.parametrize(
    ("text", "stored"), [("a, b", '["a, b"]'), ("a, b;c", '["a, b","c"]'), (" b;a", '[" b","a"]')]
)
def test_an_option_with_a_comma_or_a_space_is_itself_first(text: str, stored: str) -> None:
    entry = field("multi_select", options=["a", "b", " b", "c", "a, b"])
    assert read_value(entry, text) == stored


def test_commas_do_not_separate_where_an_option_has_one() -> None:
    entry = field("multi_select", options=["a", "b", "c", "a, b"])
    assert refusal(entry, "b,c")[0] == "not_an_option"
