"""Rules for the values of every type: empty cells, short messages, JSON on one line."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from cells import FIRST_BEYOND, OPTIONS, OUT_OF_RANGE, field, read_value, refusal
from tasks_lib.domain.fields import Field
from tasks_lib.domain.names import shortened
from tasks_lib.domain.values.problem import ValueProblemError

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
def test_constraints_do_not_apply_to_an_empty_cell(entry: Field) -> None:
    assert read_value(entry, "") == "null"


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
            id="key that occurs twice",
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
def test_any_float_survives_unchanged(number: float) -> None:
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
def test_a_stored_value_is_json_on_one_line_without_control_characters(
    kind: str, text: str
) -> None:
    try:
        stored = read_value(field(kind), text)
    except ValueProblemError:
        return
    json.loads(stored, parse_int=finite, parse_float=finite, parse_constant=finite)
    assert [character for character in stored if character < " "] == []
