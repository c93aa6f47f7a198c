"""Rows and values as JSON: read and written with each number's digits."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tasks_lib.domain.rows.json_rows import Digits, json_text, kind_of, parse_row, parse_value

NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS.map(Digits) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_a_row_is_read_with_the_digits_of_its_numbers() -> None:
    row = parse_row('{"a":1.50,"b":12345678901234567890,"c":-0,"d":1E2,"e":"1","f":[null,true]}')
    assert row == {"a": "1.50", "b": "12345678901234567890", "c": "-0", "d": "1E2", "e": "1",
                   "f": [None, True]}  # fmt: skip
    assert [type(row[key]) for key in "abcde"] == [Digits, Digits, Digits, Digits, str]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[]", "a row must be a JSON object, not an array", id="an array"),
        pytest.param("7", "a row must be a JSON object, not a number", id="a number"),
        pytest.param("null", "a row must be a JSON object, not null", id="null"),
        pytest.param('{"a":NaN}', "NaN is not JSON", id="NaN"),
        pytest.param("{", "Expecting property name enclosed in double quotes", id="cut off"),
        pytest.param('{"a":1} x', "Extra data", id="more than one document"),
        pytest.param("[" * 100_000, "the JSON is nested too deep to be read", id="too deep"),
    ],
)
def test_a_row_must_be_a_json_object(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_row(text)


@given(VALUES)
def test_a_value_is_written_as_it_was_read(value: Any) -> None:
    text = json_text(value)
    assert parse_value(text) == value
    assert json_text(parse_value(text)) == text


@given(VALUES)
def test_a_written_value_means_the_same_to_any_reader(value: Any) -> None:
    def numbers(value: Any) -> Any:
        if isinstance(value, Digits):
            return Decimal(value)
        if isinstance(value, dict):
            return {key: numbers(item) for key, item in value.items()}
        return [numbers(item) for item in value] if isinstance(value, list) else value

    written = json.loads(json_text(value), parse_float=Decimal, parse_int=Decimal)
    assert written == numbers(value)


def test_a_text_is_written_without_escapes_that_it_does_not_need() -> None:
    value = {"é\n": ['"', "日本", {}, []]}
    assert json_text(value) == r'{"é\n":["\"","日本",{},[]]}'


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("{}", "an object", id="object"),
        pytest.param("[]", "an array", id="array"),
        pytest.param('""', "a string", id="string"),
        pytest.param("1", "a number", id="number"),
        pytest.param("false", "a boolean", id="boolean"),
        pytest.param("null", "null", id="null"),
    ],
)
def test_each_kind_of_value_has_a_name(text: str, kind: str) -> None:
    assert kind_of(parse_value(text)) == kind
