"""Cells of every kind for tests of columns: near spellings, odd characters, layouts."""

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from tasks_lib.domain.fields import Field


def field(kind: str, name: str = "f", **constraints: object) -> Field:
    return Field.model_validate({"name": name, "type": kind, "source": "dataset", **constraints})


NEAR_TEXTS = [
    "a", "ab", "abc", "abcd", "plain text", " padded ", "001", "NA", "null", "nan", "None",
    'say "hi"', '"', '""', "back\\slash", "\\", "\\\\", "\\n", '\\"', "line\nbreak", "a\r\nb", "\t",
    "\x00", "a\x00b", "\x01\x02", "\x08\x0c", "\x1f", "\x7f", "\x85", "\u00a0", "é", "e\u0301", "ß",
    "日本語", "\u2028", "\u2029", "\ufeff", "\ufffd", "\uffff", "😀", "👩‍👩‍👧", "\U0010ffff", "{}",
    "[1]", "',", "};", " ", "\n", "x" * 70, '"' * 70,
]  # fmt: skip
NEAR_INTEGERS = [
    "0", "1", "5", "6", "-1", "-0", "+5", "00", "01", "001", "-01", "007", "42", " 5", "5 ", "5\n",
    "\n5", "5\x00", "٣", "\uff15", "1_000", "1,000", "1.0", "1e3", "0x1", "-", "--1", "", "\u22121",
    "0\n", "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740994",
    "-9007199254740992", "-9007199254740993", "999999999999999999", "1000000000000000000",
    "9223372036854775806", "9223372036854775807", "9223372036854775808", "-9223372036854775807",
    "-9223372036854775808", "-9223372036854775809", "99999999999999999999", "9" * 70,
    "-" + "9" * 18,
]  # fmt: skip
NEAR_NUMBERS = [
    *NEAR_INTEGERS, "0.1", "0.10", "-0.1", "-0.0", "0.0", ".5", "1.", "1.e3", "1e5", "1E5", "1e+5",
    "1e-5", "1e05", "1e", "e1", "1e999", "-1e999", "1e308", "1e309", "1.8e308", "1e-400", "0e0",
    "NaN", "nan", "Infinity", "inf", "-inf", "1,5", "1 000", "1.5\n", "1.5 ",
    "0.1000000000000000055511151231257827", "0.1000000000000000055511151231257828",
    "0.09999999999999999999999", "9" * 99, "9" * 100, "9" * 101, "1" + "0" * 308, "1" + "0" * 309,
    "9" * 309, "0." + "0" * 400 + "1", "0." + "9" * 60, "-" + "9" * 102 + ".5",
    "1.00000000000000000000000000000001", "0.99999999999999999999999999999999", "٣.\u0665",
    "1.\u0665", "1e-99999999999999999999", "0e99999999999999999999", "1e99999999999999999999",
    "1e999\n", "1e0005", "1e005", "1e1000", "1e-1000", "1e-999", "-1e-999", "0e999", "0e-999",
    "9" * 5_000, "0." + "9" * 5_000, "1.7976931348623157e308", "1.7976931348623159e308",
]  # fmt: skip
NEAR_DATES = [
    "2024-01-01", "2024-01-31", "2024-02-28", "2024-02-29", "2023-02-29", "2024-02-30",
    "2024-04-30", "2024-04-31", "2024-12-31", "2024-13-01", "2024-00-10", "2024-01-00",
    "2024-01-32", "0000-01-01", "0001-01-01", "0999-12-31", "1000-01-01", "9999-12-31",
    "10000-01-01", "2024-1-1", "20240101", "2024/01/01", "01.02.2024", "2024-W01-1", "2024-001",
    "2024-01-01\n", " 2024-01-01", "2024-01-01 ", "2024-01-01T00:00", "٢٠٢٤-01-01",
    "\uff12\uff10\uff12\uff14-01-01", "2024-02-29\x00", "-2024-01-01", "",
]  # fmt: skip
NEAR_DATETIMES = [
    *NEAR_DATES, "2024-01-01T10:00", "2024-01-01 10:00", "2024-01-01t10:00", "2024-01-01  10:00",
    "2024-01-01T10:00:00", "2024-01-01T10:00:00Z", "2024-01-01T10:00:00z", "2024-01-01T10:00Z",
    "2024-01-01T10:00:00+05:30", "2024-01-01T10:00:00-05:30", "2024-01-01T10:00:00+0530",
    "2024-01-01T10:00:00+05", "2024-01-01T10:00:00+23:59", "2024-01-01T10:00:00+24:00",
    "2024-01-01T10:00:00-24:00", "2024-01-01T10:00:00+05:60", "2024-01-01T10:00:00+05:99",
    "2024-01-01T10:00:00+00:00", "2024-01-01T10:00:00-00:00", "2024-01-01T10:00:00 +05:30",
    "2024-01-01T10:00:00.1", "2024-01-01T10:00:00.12", "2024-01-01T10:00:00.123",
    "2024-01-01T10:00:00.123456Z", "2024-01-01T10:00:00.1234567", "2024-01-01T10:00:00.",
    "2024-01-01T10:00:00,5", "2024-01-01T24:00", "2024-01-01T24:00:00", "2024-01-01T23:59:60",
    "2024-01-01T10:60", "2024-01-01T10", "2024-01-01T1:00", "2024-02-29T00:00", "2023-02-29T00:00",
    "2024-12-31T23:59:59.999999", "0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59",
    "2024-01-01T10:00\n", "2024-01-01T29:00", "2023-02-29T24:00", "2023-02-29T10:00+24:00",
    "2024-02-28T10:00:00+23:60", "2024-01-01T10:00:00-23:59", "2024-01-01T10:00:00+05:30Z",
    "2024-01-01T10:00:00\u221205:30", "2024-01-01T1\u0660:00", "2024-01-01T10:00+05:3\u0660",
    "2024-02-29 00:00:00.5+09:30", "2024-01-01T00:00:00.000001Z", "2023-12-31T23:59:59.999999Z",
]  # fmt: skip
NEAR_URLS = [
    "https://example.com", "http://example.com/", "HTTPS://EXAMPLE.COM", "Https://e.com",
    "ftp://example.com", "https://example.com/a b", "https://example.com/a?b=c&d#e",
    "https://example.com/%20", "https://example.com?a", "https://example.com#a", "https://",
    "https:///a", "http:/a", "//example.com", "example.com", "https://.", "https://a..b",
    "https://-", "https://a-", "https://a.", "https://-a", "https://a_b.com", "https://[::1]/",
    "https://[::1]:80/", "https://[::1", "https://::1", "https://a:80", "https://a:0",
    "https://a:99999", "https://a:x", "https://a:", "https://u:p@h/", "https://u@", "https://@h",
    "https://:80", "https://例え.jp", "https://bücher.de/ü", "https://ex℀mple.com",
    "https://a\u00a0b/", "https://a/\u00a0", "https://a/\x01", "https://a/\t", "https://a/\n",
    "https://a\n", " https://a", "https://a ", "javascript:alert(1)", "data:text/plain,a",
    "https://a/\"q\"", "https://a/b\\c", "https://a/{x}", "https://a/[x]", "https://a/|x",
    "https://a/^x", "https://a/`x", "https://a/~x", "https://a/x_y", "", "https://a/" + "x" * 90,
    "https://" + "a" * 300, "https://a/\x00", "https://a/\u3000", "https://a/\x1c",
    "https://a/\x7f", "https://a\x00b/", "https://a\x7f", "https://a\x1f/", "https://a?\x01",
    "https://a#\x1d", "https://a/\x85", "https://a/\x0b", "https://a\r", "\x01https://a",
]  # fmt: skip
NEAR_JSON = [
    "{}", "[]", "null", "true", "1", "-0", "1.10", "1e999", "12345678901234567890", '"a"',
    '"\\u00e9"', '"é"', '{"a": 1}', '{"a":1,"a":2}', '{\n"a":\t1\r\n}', "[1,]", "NaN", '"\\ud800"',
    '"\\ud83d\\ude00"', '"\\u0000"', '"a\nb"', '"😀"', '{"a":[{"b":"\\"\\\\"}]}', "'a'", "{", '"',
    " 1 ", "[" * 64 + "]" * 64, "[" * 65 + "]" * 65, "[" * 5_000 + "]" * 5_000, "[" * 5_000,
    "\ufeff{}", "01", "", " null ", "\tnull\n", "[null]", '"null"', "nul", "-1e999", "1e308",
    "1e-400", "1e-1000", "0e9999", "[1e-99999999999999999999]", "9" * 5_000, '"1e999"',
    r'"\\u0000"', r'"\\\u0000"', r'"\\\\u0000"', r'"\u0000\\u0000"', r'{"\\u0000":"\u0000"}',
    '{"' + "k" * 70 + '":1,"' + "k" * 70 + '":2}',
]  # fmt: skip
NEAR_SELECTS = [
    "good", "bad", "Good", "goood", " good", "good;bad", "good;good", "good;", ";", "a;b",
    '["a;b"]', '["good","bad"]', "[]", "[1]", "[", '["good"', 'q"q', "q\\q", "tab\t", "é", "😀",
    "good ", '["q\\"q"]', "", '["good", "a;b"]', "good;q\"q", "[ ]", "[\n]", "[[]]", " []",
    '["good","good"]', "[" * 5_000,
]  # fmt: skip
OPTIONS = ["good", "bad", "a;b", 'q"q', "q\\q", "tab\t", "é", "😀"]
NEAR_BOOLEANS = [
    "true", "True", "TRUE", "tRuE", "yes", "Y", "1", "false", "No", "n", "0", "on", "off", "t",
    " true", "true\n", "2", "\uff59", "\U0001d432", "ye\u017f", "",
]  # fmt: skip
NEAR = {
    "text": NEAR_TEXTS,
    "long_text": NEAR_TEXTS,
    "integer": NEAR_INTEGERS,
    "number": NEAR_NUMBERS,
    "boolean": NEAR_BOOLEANS,
    "date": NEAR_DATES,
    "datetime": NEAR_DATETIMES,
    "single_select": NEAR_SELECTS,
    "multi_select": NEAR_SELECTS,
    "url": NEAR_URLS,
    "json": NEAR_JSON,
}
LOOK_LIKE = {
    "integer": r"[+-]?[0-9]{1,20}(\.[05]{1,3})?([eE][+-]?[0-9]{1,2})?",
    "number": r"-?[0-9]{0,18}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,5})?",
    "date": r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ]00:0[01](:00(\.00?)?)?Z?)?",
    "datetime": r"[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]"
    r"(:[0-6][0-9]([.,][0-9]{1,10})?)?( ?([Zz]|UTC|[+-][0-2][0-9](:?[0-6][0-9](:[0-6][0-9])?)?))?",
    "url": r"https?://[a-zA-Z0-9.:@_-]{1,12}([/?#][!-~]{0,12})?",
}
CONSTRAINED: dict[str, list[dict[str, object]]] = {
    "text": [
        {"min_length": 2}, {"max_length": 3}, {"min_length": 0, "max_length": 1},
        {"pattern": "[a-z]+"},
    ],
    "long_text": [{"min_length": 3, "max_length": 60}, {"pattern": r"(?s).*\w"}],
    "integer": [
        {"min": 1, "max": 5}, {"min": 0}, {"max": 0}, {"min": -9007199254740993},
        {"max": 9007199254740992}, {"min": 9007199254740993}, {"max": 2**63 - 1}, {"min": -(2**63)},
        {"min": 999999999999999999},
    ],
    "number": [
        {"min": 0, "max": 1}, {"min": "0.1"}, {"max": "0.1"}, {"min": "1e5"}, {"max": "-0.1"},
        {"max": "1e300"}, {"min": "9007199254740993"}, {"max": "1e-400"}, {"min": "1e-999"},
        {"min": "-1.7976931348623157e308", "max": "1.7976931348623157e308"},
        {"min": "0.1000000000000000055511151231257828"},
    ],
    "boolean": [],
    "date": [
        {"min": "2024-01-01"}, {"max": "2024-02-29"}, {"min": "0001-01-01", "max": "9999-12-31"},
    ],
    "datetime": [
        {"min": "2024-01-01T00:00:00Z"}, {"max": "2024-01-01T10:00:00+05:30"},
        {"min": "0001-01-01T00:00", "max": "9999-12-31T23:59:59.999999"},
    ],
    "single_select": [],
    "multi_select": [],
    "url": [{"max_length": 19}, {"min_length": 12}, {"pattern": "https://.*"}],
    "json": [],
}  # fmt: skip


def options_of(kind: str) -> dict[str, Any]:
    return {"options": OPTIONS} if kind.endswith("_select") else {}


ANY_CHARACTERS = st.characters(codec="utf-8")
ODD_CHARACTERS = st.sampled_from(
    '\x00\x01\t\n\r\x1f "\\0159-+.eETZ:;/[]{},aé\u00a0\u2028٣😀\U0010ffff'
)


@st.composite
def misspellings(draw: st.DrawFn, near: list[str]) -> str:
    """Draw a near spelling with one character inserted, replaced or removed."""
    text = draw(st.sampled_from(near))
    at = draw(st.integers(0, len(text)))
    taken_out = draw(st.integers(0, 1))
    return text[:at] + draw(st.just("") | ODD_CHARACTERS) + text[at + taken_out :]


def cells(kind: str) -> st.SearchStrategy[str]:
    strategies = [
        st.sampled_from(NEAR[kind]),
        misspellings(NEAR[kind]),
        st.text(ODD_CHARACTERS, max_size=6),
    ]
    if kind in LOOK_LIKE:
        strategies.append(st.from_regex(LOOK_LIKE[kind], fullmatch=True))
    else:
        strategies.append(st.text(ANY_CHARACTERS, max_size=8))
    return st.one_of(strategies)


def fields(kind: str, name: str = "f") -> st.SearchStrategy[Field]:
    return st.builds(
        lambda constraints, required: field(
            kind, name, required=required, **options_of(kind), **constraints
        ),
        st.sampled_from([{}, *CONSTRAINED[kind]]),
        st.booleans(),
    )


@st.composite
def layouts(draw: st.DrawFn, column: list[str]) -> pa.Array:
    """Draw one of the layouts in which Arrow may hold the column."""
    way = draw(st.sampled_from(["whole", "sliced", "filtered", "taken", "with validity"]))
    if way == "sliced":
        before = draw(st.lists(st.sampled_from(['"', "\\", "", "junk", "1", "😀"]), max_size=9))
        after = draw(st.lists(st.sampled_from(['"', "\n", "", "junk", "2"]), max_size=3))
        return texts(*before, *column, *after).slice(len(before), len(column))
    if way == "filtered":
        doubled = [text for cell in column for text in (cell, '"junk\n')]
        mask = pa.array([True, False] * len(column), pa.bool_())
        return texts(*doubled).filter(mask)
    if way == "taken":
        return texts(*reversed(column)).take(pa.array(range(len(column))[::-1], pa.int64()))
    if way == "with validity":
        return pa.array([None, *column], pa.string()).slice(1)
    return texts(*column)


def texts(*cells: str) -> pa.Array:
    return pa.array(cells, pa.string())
