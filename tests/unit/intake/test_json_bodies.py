"""A request's body is one JSON document, read strictly and with every digit."""

import pytest

from tasks_lib.errors import MalformedBodyError
from tasks_lib.intake.api_tasks.json_bodies import read_body, write_plain


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"a": 1.50, "b": [12345678901234567890, -0, 1e2]}',
         {"a": "1.50", "b": ["12345678901234567890", "-0", "1e2"]}),
        (b'{"a": "1.50", "b": null, "c": true}', {"a": "1.50", "b": None, "c": True}),
        (' {"ä": "\\u00e4"}\n'.encode(), {"ä": "ä"}),
        (b'"\\u0000"', "\0"),
    ],
    ids=["numbers", "others", "other letters", "NUL"],
)  # fmt: skip
def test_a_body_keeps_every_digit(body: bytes, document: object) -> None:
    assert read_body(body) == document


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 01}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xff"}',
        b'{"a": "\x01"}',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"{} {}",
        b"[" * 100_000,
        b'{"a":' * 1_100 + b"1" + b"}" * 1_100,  # orjson reads 1,024 levels, Python 3.11 fewer
    ],
    ids=[
        "nothing", "cut off", "comma at the end", "single quotes", "NaN", "Infinity", "too large",
        "zero in front", "half a surrogate pair", "an encoded half", "not UTF-8",
        "control character", "byte order mark", "UTF-16", "two documents", "never closed", "deep",
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBodyError) as caught:
        read_body(body)
    assert caught.value.code == "malformed_json"


@pytest.mark.parametrize(
    "body",
    [b'{"a": 1, "b": 2, "a": 3}', b'[{"x": {"a": 1, "a": 1}}]', b'{"a": 1, "\\u0061": 2}'],
    ids=["at the top", "deeper", "escaped"],
)
def test_a_duplicate_member_is_named(body: bytes) -> None:
    with pytest.raises(MalformedBodyError) as caught:
        read_body(body)
    assert caught.value.code == "malformed_json"
    assert str(caught.value) == "the body has the member 'a' twice in one object"


@pytest.mark.parametrize(
    ("text", "has_unique_keys"),
    [
        (rb'{"a":"\u003a","b":1}', True),
        (rb'{"a":"\u003A","a":1}', False),
        (rb'{"a":"\\u003a","b":1}', True),
        (rb'{"a":"\\u003a","a":1}', False),
        (rb'{"a":"\\\u003a","a":1}', False),
        (rb'{"\u003a":1,"b":":"}', True),
        (rb'{"\u0061":1,"a":2}', False),
        (rb'{"x":[{"a":1},{"a":1}]}', True),
        (rb'{"x":[{"a":1},{"a":1,"a":1}]}', False),
        (b"[" * 300 + b"]" * 300, True),
    ],
)
def test_doubled_keys_are_found_by_colons_whether_or_not_these_are_escaped(
    text: bytes, has_unique_keys: bool
) -> None:
    assert write_plain(text).has_unique_keys == has_unique_keys
