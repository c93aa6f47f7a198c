"""Names as people write them: what is near, what cannot be seen, and what is too long to show."""

import pytest

from tasks_lib.domain.names import counted, did_you_mean, is_invisible, nearest, shortened, visible


@pytest.mark.parametrize(
    ("name", "candidates", "found"),
    [
        pytest.param("Body", ["body", "stars"], "body", id="case"),
        pytest.param("bodi", ["body", "stars"], "body", id="one letter"),
        pytest.param("review id", ["stars", "review_id"], "review_id", id="space for underscore"),
        pytest.param(" body ", ["body"], "body", id="white space around it"),
        pytest.param("\u00a0body", ["body"], "body", id="no-break space"),
        pytest.param("bo\u200bdy", ["body"], "body", id="zero width space"),
        pytest.param("\ufeffbody", ["body"], "body", id="byte order mark"),
        pytest.param("\uff42\uff4f\uff44\uff59", ["body"], "body", id="full width"),
        pytest.param("e\u0301te\u0301", ["\u00e9t\u00e9"], "\u00e9t\u00e9", id="decomposed"),
        pytest.param("STRASSE", ["straße"], "straße", id="case that folds"),
        pytest.param("body", ["Body "], "Body ", id="the candidate as it is written"),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case_form_and_white_space(
    name: str, candidates: list[str], found: str
) -> None:
    assert nearest(name, candidates) == found


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        pytest.param("x", ["body"], id="nothing in common"),
        pytest.param("", ["body"], id="no name"),
        pytest.param("\u200b", ["body"], id="an invisible name"),
        pytest.param("body", [], id="no candidates"),
    ],
)
def test_far_from_every_candidate_there_is_no_nearest(name: str, candidates: list[str]) -> None:
    assert nearest(name, candidates) is None


def test_a_suggestion_is_a_question_after_a_semicolon() -> None:
    assert did_you_mean("Body", ["body", "stars"]) == "; did you mean 'body'?"


def test_a_suggestion_names_what_cannot_be_seen_in_it() -> None:
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
    ],
)
def test_what_a_person_would_not_see_is_named(text: str, shown: str) -> None:
    assert visible(text) == shown


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
    ],
)
def test_invisible_is_what_looks_like_nothing_or_like_a_space(
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
def test_a_long_value_is_cut_and_its_length_told(value: str, shown: str) -> None:
    assert shortened(value) == shown


def test_the_limit_of_a_shown_value_can_be_chosen() -> None:
    assert shortened("abcdef", 3) == "'abc'... (6 characters)"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 tasks"), (1, "1 task"), (2, "2 tasks"), (2_000, "2,000 tasks")]
)
def test_a_count_agrees_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "task") == text
