"""A pattern is matched as Python does it, but for a limited time."""

import re

import pytest

from cells import field
from tasks_lib.domain.values import patterns
from tasks_lib.domain.values.patterns import matcher_of
from tasks_lib.domain.values.readers import reader_of
from tasks_lib.errors import SourceProblemError

COSTLY, TEXT = r"(?:a|aa|[a-z]{3})*!", "a" * 60 + "?!"


@pytest.fixture
def _little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "MAX_SECONDS", 0.05)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\w+",
        r"\d{2}",
        "a|ab",
        "(?i)straße",
        r"(a)\1",
        "a++b?",
        r"[^\s]*$",
        "(?P<x>a)(?P=x)",
        "",
        ".",
    ],
)
@pytest.mark.parametrize("text", ["", "a", "ab", "aa", "٣٤", "STRASSE", "straße", "é", "a\n"])
def test_a_text_matches_if_it_does_in_python(pattern: str, text: str) -> None:
    assert matcher_of(pattern, "f")(text) == (re.fullmatch(pattern, text) is not None)


@pytest.mark.usefixtures("_little_time")
@pytest.mark.parametrize("kind", ["text", "long_text"])
def test_a_text_that_takes_too_long_ends_the_source(kind: str) -> None:
    read = reader_of(field(kind, pattern=COSTLY))
    with pytest.raises(SourceProblemError, match="takes longer than") as caught:
        read(TEXT)
    assert [(problem.code, problem.field) for problem in caught.value.problems] == [
        ("pattern_too_costly", "f")
    ]
    assert read("!") == '"!"'
