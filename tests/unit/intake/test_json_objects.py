"""Rows of JSON: stored verbatim, or refused as the rule says."""

import json
from collections.abc import Callable

import pytest
from hypothesis import example, given, strategies as st

from cells import field, read_value
from json_values import OBJECTS
from tasks_lib.domain.fields import Field
from tasks_lib.domain.rows.json_rows import Digits, parse_value
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.domain.values.readers import reader_of
from tasks_lib.intake.datasets.json_objects import certain_object, read_object

RULE: Field = field("json", required=False)


@pytest.mark.parametrize(
    ("text", "stored", "members"),
    [
        ("{}", "{}", {}),
        ('{"a": 1.50}', '{"a": 1.50}', {"a": 1.5}),
        ('{"a":-0}', '{"a":-0}', {"a": 0}),
        ('{"a":1e-2}', '{"a":1e-2}', {"a": 0.01}),
        ('{"a":9223372036854775807}', '{"a":9223372036854775807}', {"a": 2**63 - 1}),
        (
            '{"a":123456789012345678901234567890}',
            '{"a":123456789012345678901234567890}',
            {"a": Digits("123456789012345678901234567890")},
        ),
        ('{"a":1e19}', '{"a":1e19}', {"a": Digits("1e19")}),
        (r'{"a":"\u003a"}', r'{"a":"\u003a"}', {"a": ":"}),
        (r'{"a":"\\u0000"}', r'{"a":"\\u0000"}', {"a": r"\u0000"}),
        (r'{"a":"\ud83d\ude00"}', r'{"a":"\ud83d\ude00"}', {"a": "😀"}),
        ('{\r\n\t"a" : "x:y"\n}', '{   "a" : "x:y" }', {"a": "x:y"}),
        ('{"a":"\u2028\x7f"}', '{"a":"\u2028\x7f"}', {"a": "\u2028\x7f"}),
        ('{"":{"":[null,true]}}', '{"":{"":[null,true]}}', {"": {"": [None, True]}}),
        ('{"é":1,"e\u0301":2}', '{"é":1,"e\u0301":2}', {"é": 1, "e\u0301": 2}),
    ],
    ids=ascii,
)  # fmt: skip
def test_an_object_is_stored_verbatim(text: str, stored: str, members: dict[str, object]) -> None:
    result = read_object(text)
    assert result == (stored, members)
    assert list(map(type, result[1].values())) == list(map(type, members.values()))


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("[1]", "not_an_object", "is an array, not an object"),
        ('"a"', "not_an_object", "is a string, not an object"),
        ("12", "not_an_object", "is a number, not an object"),
        ("true", "not_an_object", "is a boolean, not an object"),
        ("null", "not_an_object", "is null, not an object"),
        ('{"a":1', "invalid_json",
         "is not valid JSON: Expecting ',' delimiter: line 1 column 7 (char 6)"),
        ('{"a":1}{"a":2}', "invalid_json",
         "is not valid JSON: Extra data: line 1 column 8 (char 7)"),
        ('{"a":NaN}', "invalid_json", "is not valid JSON: NaN is not JSON"),
        ('{"a":-Infinity}', "invalid_json", "is not valid JSON: -Infinity is not JSON"),
        ('{"a":1e400}', "invalid_json",
         "is not valid JSON: the number '1e400' is outside the range of a 64-bit number"),
        ('{"a":1e-1000}', "invalid_json",
         "is not valid JSON: the number '1e-1000' is outside the range of a 64-bit number"),
        ('{"a":1,"a":1}', "invalid_json",
         "is not valid JSON: the key 'a' occurs twice in one object"),
        (r'{"a":1,"a":"\u003A"}', "invalid_json",
         "is not valid JSON: the key 'a' occurs twice in one object"),
        ('{"a":[{"b":":","b":"::"}]}', "invalid_json",
         "is not valid JSON: the key 'b' occurs twice in one object"),
        (r'{"a":"\ud800"}', "invalid_json", "holds half of a surrogate pair"),
        (r'{"a":"\u0000"}', "invalid_json", "holds a NUL character"),
        (r'{"\u0000":1}', "invalid_json", "holds a NUL character"),
        ('{"a":"\0"}', "invalid_json",
         "is not valid JSON: Invalid control character at: line 1 column 7 (char 6)"),
        ('{"a":"\t"}', "invalid_json",
         "is not valid JSON: Invalid control character at: line 1 column 7 (char 6)"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_row_that_is_no_object_is_refused(text: str, code: str, reason: str) -> None:
    with pytest.raises(ValueProblemError) as caught:
        read_object(text)
    assert (caught.value.code, str(caught.value)) == (code, f"{text!r} {reason}")


@pytest.mark.parametrize(("levels", "is_read"), [(63, True), (64, False), (5_000, False)])
def test_a_row_may_be_nested_to_64_levels(levels: int, is_read: bool) -> None:
    text = '{"a":' + "[" * levels + "]" * levels + "}"
    if is_read:
        assert read_object(text)[0] == text
        return
    with pytest.raises(ValueProblemError, match="is nested deeper than 64 levels"):
        read_object(text)


TOKENS = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", ",", ":", '"a"', '"b"', '"a:"', '""', r'"\u0061"', r'"\u003a"',
         r'"\u0000"', r'"\\u0000"', r'"\ud800"', r'"\ud83d\ude00"', '"\t"', '"e1234"', " ", "\n",
         "\t", "\r", "1", "-0", "1.50", "1e5", "1e400", "1e-1000", "0e9999", "12345678901234567890",
         "9" * 309, "null", "true", "NaN", "\ufeff", "\u2028", "\0", '"a":1,', '{"a":{', "}}"]
    ),
    max_size=12,
).map("".join)  # fmt: skip
NAMES = ['"a"', '"b"', '"c"', r'"\u0061"', '"a:"', '""']
ITEMS = [
    "1", "-0.0", "1e5", "1E+0999", "1e1000", "[]", '{"a":1,"a":2}', '{"a":":"}', '":"', "null",
    r'"\u003a"', r'"\u0000"', r'"\\u0000"', "9" * 19, "1" + "0" * 400, "[[[{}]]]",
    "[" * 64 + "]" * 64,
]  # fmt: skip
MEMBERS = st.tuples(
    st.sampled_from(NAMES), st.sampled_from([":", " : ", ":\n", "::"]), st.sampled_from(ITEMS)
).map("".join)
PAIRS = st.lists(MEMBERS, max_size=4).map(lambda members: "{" + ",".join(members) + "}")
WRITTEN = st.builds(
    lambda row, ascii_only: json.dumps(row, ensure_ascii=ascii_only), OBJECTS, st.booleans()
)


@given(text=TOKENS | PAIRS | WRITTEN)
@example(r'{"a":1,"a":"\u003a"}')
def test_a_certain_object_passes_the_rule_with_the_same_text_and_members(text: str) -> None:
    members = certain_object(text)
    if members is not None:
        stored = read_value(RULE, text)
        assert read_object(text) == (stored, members)
        assert list(parse_value(stored)) == list(members)


def answer(read: Callable[[str], str], text: str) -> str:
    try:
        return read(text)
    except ValueProblemError as problem:
        return f"{problem.code}: {problem}"


@given(row=OBJECTS, indent=st.sampled_from([None, 1, "\t"]))
def test_an_object_is_read_or_refused_as_the_rule_says(
    row: dict[str, object], indent: int | str | None
) -> None:
    text = json.dumps(row, indent=indent)
    result = answer(lambda text: read_object(text)[0], text)
    assert result == answer(reader_of(RULE), text)
    assert not set(result) & set(map(chr, range(32)))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"id": 1, "at": "03:04:05Z", "url": "https://example.com/a:b"}', id="colons"),
        pytest.param('{"tags": ["a", null], "place": {"lat": -1.5, "lon": 0.1}}', id="nested"),
        pytest.param(r'{"text":"line\nbreak \"quoted\" caf\u00e9"}', id="escapes"),
        pytest.param('{\r\n\t"a": true\n}', id="pretty"),
    ],
)
def test_plain_rows_are_certain(text: str) -> None:
    assert certain_object(text) == json.loads(text)
