"""JSON cells: stored as written, or refused with the reason."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cells import OUT_OF_RANGE, case, field, read_value, refusal
from tasks_lib.domain.values.json_text import MAX_JSON_DEPTH, depth_of, is_shallow


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
        case('{"a":1,"a":2}', f"{DOUBLED} 'a' occurs twice in one object"),
        case(r'[{"a":1,"\u0061":2}]', f"{DOUBLED} 'a' occurs twice in one object"),
        case('{"a":{"b":1,"c":2,"b":3}}', f"{DOUBLED} 'b' occurs twice in one object"),
        case('{"a":1,"b":1,"b":2,"a":2}', f"{DOUBLED} 'b' occurs twice in one object"),
        case(r'{"\n":1,"\n":2}', rf"{DOUBLED} '\n' occurs twice in one object"),
        case(
            '{"' + "k" * 60 + '":1,"' + "k" * 60 + '":1}',
            f"{DOUBLED} '{'k' * 60}' occurs twice in one object",
            named="a doubled key of 60 characters",
        ),
        case(
            '{"' + "k" * 1_234 + '":1,"' + "k" * 1_234 + '":1}',
            f"{DOUBLED} '{'k' * 60}'... (1,234 characters) occurs twice in one object",
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
def test_an_invalid_json_document_is_refused(text: str, reason: str) -> None:
    shown = repr(text) if len(text) <= 60 else f"{text[:60]!r}... ({len(text):,} characters)"
    assert refusal(field("json"), text) == ("invalid_json", f"{shown} {reason}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[" * 64 + "]" * 64, True, id="64 levels"),
        pytest.param("[" * 65 + "]" * 65, False, id="65 levels"),
        pytest.param('{"a":[' * 32 + "]}" * 32, True, id="64 levels of both"),
        pytest.param('{"a":[' * 32 + "[]" + "]}" * 32, False, id="65 levels of both"),
        pytest.param('["]",' * 70 + "1" + ',"["]' * 70, False, id="strings that close levels"),
        pytest.param('["[[[[",' + "[]," * 100 + "1]", True, id="strings that open levels"),
    ],
)
def test_a_document_is_shallow_if_it_has_64_levels_at_most(text: str, expected: bool) -> None:
    assert (is_shallow(text.encode()), depth_of(json.loads(text)) <= MAX_JSON_DEPTH) == (
        expected,
        expected,
    )


@given(st.lists(st.sampled_from(["[", "{", "]", "\\", '"', "a"]), max_size=8), st.data())
def test_brackets_in_texts_are_no_levels(parts: list[str], data: Any) -> None:
    document: Any = "".join(parts)
    for _ in range(data.draw(st.integers(60, 70))):
        beside = [data.draw(st.sampled_from(["]", "}", "[", "][", '"]', "\\]"]))]
        document = data.draw(
            st.sampled_from([[document], {"a]": document}, [*beside, document, *beside]])
        )
    text = json.dumps(document)
    assert is_shallow(text.encode()) == (depth_of(document) <= MAX_JSON_DEPTH)
