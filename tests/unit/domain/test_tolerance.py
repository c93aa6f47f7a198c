"""How many bad rows a seeding tolerates: a number, or a percentage of the rows."""

import re

import pytest

from tasks_lib.domain.rows.tolerance import MAX_REJECTED, Tolerance
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import Problem, UsageError

SKIP, REJECT = OnError.SKIP_ROWS, OnError.REJECT_FILE


@pytest.mark.parametrize(
    ("max_rejected", "rejected", "read", "is_refused"),
    [
        ("5%", 5, 100, False), ("5%", 6, 100, True), ("5%", 1, 20, False), ("5%", 1, 19, True),
        ("0.1%", 1, 1_000, False), ("0.1%", 1, 999, True),
        ("33.333333333%", 1, 3, True), ("33.333333334%", 1, 3, False),
        ("0%", 0, 100, False), ("0%", 1, 10**12, True),
        ("100%", 100, 100, False), ("100.0%", 1, 1, False),
        ("10", 10, 10, False), ("10", 11, 10**9, True), ("0", 0, 9, False), ("0", 1, 9, True),
        ("5%", 0, 0, False), ("0", 0, 0, False), ("", 0, 0, False),
        ("", 10**6, 10**6, False),
    ],
)  # fmt: skip
def test_more_rejected_rows_than_the_maximum_are_refused(
    max_rejected: str, rejected: int, read: int, is_refused: bool
) -> None:
    tolerance = Tolerance.parse(SKIP, max_rejected)
    assert tolerance.refuses(rejected, read) is is_refused
    assert (tolerance.excess(rejected, read) is not None) is is_refused


def test_a_percentage_is_decided_at_the_end_and_a_number_as_soon_as_it_is_exceeded() -> None:
    assert not Tolerance.parse(SKIP, "5%").refuses(1_000_000)
    assert not Tolerance.parse(SKIP, "2").refuses(2)
    assert Tolerance.parse(SKIP, "2").refuses(3)


def test_reject_file_tolerates_no_bad_row() -> None:
    tolerance = Tolerance.parse(REJECT, "")
    assert [tolerance.refuses(0), tolerance.refuses(1), tolerance.refuses(1, 100)] == [
        False, True, True,
    ]  # fmt: skip
    assert tolerance.excess(1, 100) is None


@pytest.mark.parametrize("max_rejected", ["10", "50%", "5 percent"])
def test_a_limit_without_skipping_rows_is_a_usage_error(max_rejected: str) -> None:
    with pytest.raises(UsageError) as caught:
        Tolerance.parse(REJECT, max_rejected)
    assert str(caught.value) == (
        f"max_rejected is '{max_rejected}', but one bad row rejects all rows; set on_error to "
        "skip-rows, or leave max_rejected out"
    )


def test_the_problem_says_how_many_there_were_and_how_many_are_allowed() -> None:
    assert Tolerance.parse(SKIP, "0.5%").excess(1_200, 20_000) == Problem(
        "too_many_rejected", "1,200 of 20,000 rows cannot be used, and max_rejected allows 0.5%"
    )


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "5 %",
        "five",
        "101%",
        "100.1%",
        "1.5",
        "%",
        "5%%",
        " 5",
        "\u0665",
        "1e2",
        "1" * 19,
        "5\n",
    ],
)
def test_other_values_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Tolerance.parse(SKIP, text)
    assert str(caught.value) == (
        f"max_rejected is {text!r}; it must be a number of rows such as 10, "
        "or a percentage of the rows from 0% to 100% such as 5%"
    )
    # In a JSON schema, as in JavaScript, a dollar sign matches only at the very end.
    assert re.search(MAX_REJECTED.replace("$", r"\Z"), text) is None


@pytest.mark.parametrize("text", ["", "0", "10", "5%", "12.5%", "100%", "100.0%"])
def test_the_published_pattern_matches_the_valid_values(text: str) -> None:
    Tolerance.parse(SKIP, text)
    assert re.search(MAX_REJECTED, text) is not None
