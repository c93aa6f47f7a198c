"""Texts and URLs: accepted cells, stored values, and reasons for refusal."""

import pytest

from cells import case, field, read_value, refusal


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
def test_a_text_that_is_no_absolute_url_is_refused(text: str) -> None:
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
def test_the_constraints_of_texts_apply_to_urls(
    constraints: dict[str, object], code: str, message: str
) -> None:
    assert refusal(field("url", **constraints), "https://e.com/a") == (code, message)
