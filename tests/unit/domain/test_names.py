"""Names as people write them: near names, invisible characters, and names too long to show."""

import pytest

from tasks_lib.domain.names import (
    counted,
    did_you_mean,
    display_name,
    is_invisible,
    nearest,
    shortened,
    visible,
)


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        pytest.param("Body", ["body", "stars"], "body", id="case"),
        pytest.param("bodi", ["body", "stars"], "body", id="one letter"),
        pytest.param("review id", ["stars", "review_id"], "review_id", id="space for underscore"),
        pytest.param(" body ", ["body"], "body", id="white space around it"),
        pytest.param("\u00a0body", ["body"], "body", id="no-break space"),
        pytest.param("bo\u200bdy", ["body"], "body", id="zero width space"),
        pytest.param("b\u2800o\u3164d\u1160y", ["bodies", "body"], "body", id="blanks"),
        pytest.param("b\ue000o\u0378dy", ["bodies", "body"], "body", id="unassigned"),
        pytest.param("\ufeffbody", ["body"], "body", id="byte order mark"),
        pytest.param("\uff42\uff4f\uff44\uff59", ["body"], "body", id="full width"),
        pytest.param("e\u0301te\u0301", ["\u00e9t\u00e9"], "\u00e9t\u00e9", id="decomposed"),
        pytest.param("STRASSE", ["straße"], "straße", id="case that folds"),
        pytest.param("body", ["Body "], "Body ", id="the candidate as it is written"),
    ],
)
def test_the_nearest_name_ignores_case_form_and_white_space(
    name: str, candidates: list[str], expected: str
) -> None:
    assert nearest(name, candidates) == expected


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        pytest.param("x", ["body"], id="nothing in common"),
        pytest.param("", ["body"], id="no name"),
        pytest.param("\u200b", ["body"], id="an invisible name"),
        pytest.param("\u2800\u3164", ["body"], id="a blank name"),
        pytest.param("body", [], id="no candidates"),
    ],
)
def test_a_name_far_from_every_candidate_has_no_nearest_one(
    name: str, candidates: list[str]
) -> None:
    assert nearest(name, candidates) is None


def test_a_suggestion_is_a_question_after_a_semicolon() -> None:
    assert did_you_mean("Body", ["body", "stars"]) == "; did you mean 'body'?"


def test_a_suggestion_names_its_invisible_characters() -> None:
    expected = "; did you mean 'bo<U+00AD>dy' (with U+00AD soft hyphen)?"
    assert did_you_mean("body", ["bo\u00addy"]) == expected


def test_without_a_near_name_nothing_is_suggested() -> None:
    assert did_you_mean("x", ["body"]) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "'plain'", id="plain"),
        pytest.param("", "''", id="empty"),
        pytest.param(" padded ", "' padded '", id="white space"),
        pytest.param("it's", "'it's'", id="quote"),
        pytest.param("日本 😀", "'日本 😀'", id="any script"),
        pytest.param(
            "a\u200bb", "'a<U+200B>b' (with U+200B zero width space)", id="zero width space"
        ),
        pytest.param("\ufeffid", "'<U+FEFF>id' (with U+FEFF zero width no-break space)", id="BOM"),
        pytest.param("nb\u00a0sp", "'nb<U+00A0>sp' (with U+00A0 no-break space)", id="NBSP"),
        pytest.param("tab\t", "'tab<U+0009>' (with U+0009 control character)", id="tab"),
        pytest.param("\u2028", "'<U+2028>' (with U+2028 line separator)", id="line separator"),
        pytest.param("\u3000", "'<U+3000>' (with U+3000 ideographic space)", id="wide space"),
        pytest.param("\U000e0001", "'<U+E0001>' (with U+E0001 language tag)", id="beyond the BMP"),
        pytest.param(
            "a\u200b\u200b\u00ad",
            "'a<U+200B><U+200B><U+00AD>' (with U+00AD soft hyphen, U+200B zero width space)",
            id="each hidden character once, in order",
        ),
        pytest.param("\ue000", "'<U+E000>' (with U+E000 private use character)", id="private use"),
        pytest.param("\u0378", "'<U+0378>' (with U+0378 unassigned character)", id="unassigned"),
        pytest.param("\uffff", "'<U+FFFF>' (with U+FFFF unassigned character)", id="no character"),
        pytest.param(
            "\U0010fffd", "'<U+10FFFD>' (with U+10FFFD private use character)", id="private plane"
        ),
        pytest.param("\ud800", "'<U+D800>' (with U+D800 half of a surrogate pair)", id="surrogate"),
        pytest.param("\u2029", "'<U+2029>' (with U+2029 paragraph separator)", id="paragraph"),
        pytest.param(
            "a\u2800", "'a<U+2800>' (with U+2800 braille pattern blank)", id="Braille blank"
        ),
        pytest.param("a\u3164", "'a<U+3164>' (with U+3164 hangul filler)", id="Hangul filler"),
        pytest.param(
            "a\u115fb",
            "'a<U+115F>b' (with U+115F hangul choseong filler)",
            id="Hangul initial filler",
        ),
        pytest.param(
            "a\u1160b",
            "'a<U+1160>b' (with U+1160 hangul jungseong filler)",
            id="Hangul medial filler",
        ),
        pytest.param(
            "\uffa0",
            "'<U+FFA0>' (with U+FFA0 halfwidth hangul filler)",
            id="half-width Hangul filler",
        ),
        pytest.param(
            "e\u0301t\u00e9",
            "'e\u0301t\u00e9' (with accents as characters of their own)",
            id="a decomposed accent",
        ),
        pytest.param("\u00e9t\u00e9", "'\u00e9t\u00e9'", id="composed accents"),
        pytest.param("x\u0302", "'x\u0302'", id="an accent that no letter is composed with"),
        pytest.param(
            "e\u0301\u00a0",
            "'e\u0301<U+00A0>' (with U+00A0 no-break space, accents as characters of their own)",
            id="an accent after what is hidden",
        ),
        pytest.param(
            "\x01\x02\x03\x04\x05\x06",
            "'<U+0001><U+0002><U+0003><U+0004><U+0005><U+0006>' (with U+0001 control character, "
            "U+0002 control character, U+0003 control character, U+0004 control character, "
            "U+0005 control character)",
            id="five of six hidden characters",
        ),
        pytest.param("x" * 80, f"'{'x' * 80}'", id="80 characters"),
        pytest.param("x" * 81, f"'{'x' * 80}...' (with 81 characters)", id="81 characters"),
        pytest.param(
            "x" * 1_234, f"'{'x' * 80}...' (with 1,234 characters)", id="1,234 characters"
        ),
        pytest.param(
            "\u200b" * 100,
            f"'{'<U+200B>' * 80}...' (with 100 characters, U+200B zero width space)",
            id="100 hidden characters",
        ),
        pytest.param(
            "x" * 80 + "\u200be\u0301",
            f"'{'x' * 80}...' (with 83 characters, U+200B zero width space, accents as characters "
            "of their own)",
            id="what cannot be seen in the part that is cut off",
        ),
    ],
)
def test_invisible_characters_are_named(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_name_is_cut_at_the_given_length() -> None:
    assert (visible("abcdef", 3), visible("abc", 3)) == ("'abc...' (with 6 characters)", "'abc'")


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        pytest.param("a", False, id="letter"),
        pytest.param(" ", False, id="space"),
        pytest.param("_", False, id="underscore"),
        pytest.param("\u0301", False, id="combining accent"),
        pytest.param("😀", False, id="emoji"),
        pytest.param("\u00a0", True, id="no-break space"),
        pytest.param("\u2003", True, id="em space"),
        pytest.param("\t", True, id="tab"),
        pytest.param("\n", True, id="line feed"),
        pytest.param("\x00", True, id="NUL"),
        pytest.param("\x85", True, id="next line"),
        pytest.param("\u200d", True, id="zero width joiner"),
        pytest.param("\u202e", True, id="right-to-left override"),
        pytest.param("\ufeff", True, id="byte order mark"),
        pytest.param("\u2029", True, id="paragraph separator"),
        pytest.param("\ue000", True, id="private use"),
        pytest.param("\uffff", True, id="no character"),
        pytest.param("\U0010fffd", True, id="private use plane"),
        pytest.param("\u2800", True, id="Braille blank"),
        pytest.param("\u2801", False, id="Braille dot"),
        pytest.param("\u3164", True, id="Hangul filler"),
        pytest.param("\u3163", False, id="Hangul letter"),
        pytest.param("\u115f", True, id="Hangul initial filler"),
        pytest.param("\u1160", True, id="Hangul medial filler"),
        pytest.param("\u1161", False, id="Hangul medial"),
        pytest.param("\uffa0", True, id="half-width Hangul filler"),
        pytest.param("\uffa1", False, id="half-width Hangul letter"),
    ],
)
def test_characters_that_look_like_nothing_or_a_space_are_invisible(
    character: str, expected: bool
) -> None:
    assert is_invisible(character) is expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("a", "'a'", id="short"),
        pytest.param("", "''", id="empty"),
        pytest.param("it's", '"it\'s"', id="quote"),
        pytest.param("a\nb\x00", r"'a\nb\x00'", id="control characters"),
        pytest.param("x" * 60, f"'{'x' * 60}'", id="at the limit"),
        pytest.param("x" * 61, f"'{'x' * 60}'... (61 characters)", id="beyond it"),
        pytest.param("😀" * 1_234, f"'{'😀' * 60}'... (1,234 characters)", id="far beyond it"),
    ],
)
def test_a_long_value_is_cut_and_its_length_is_shown(value: str, shown: str) -> None:
    assert shortened(value) == shown


def test_the_limit_of_a_shown_value_can_be_chosen() -> None:
    assert shortened("abcdef", 3) == "'abc'... (6 characters)"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks"), (2_000, "2,000 tasks")]
)
def test_a_count_agrees_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "task") == text


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("reviews.csv", "reviews.csv"),
        ("/data/in/reviews.csv", "reviews.csv"),
        ("/data/what?.csv.gz", "what?.csv.gz"),
        ("file:///data/what?.csv", "what?.csv"),
        ("s3://bucket/in/reviews.csv", "reviews.csv"),
        ("s3://bucket/folder/", "folder"),
        ("https://host/in/reviews.csv?X-Amz-Signature=secret/x", "reviews.csv"),
        ("https://user:secret@host", "host"),
        ("https://user:secret@host/?token=secret", "host"),
    ],
)
def test_a_source_is_named_by_its_last_part_without_secrets(uri: str, name: str) -> None:
    assert display_name(uri) == name
