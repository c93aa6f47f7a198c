"""What the columns of a dataset may be called, and of which type they are."""

import pytest

from tasks_lib.domain.datasets import check_columns, common_type
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.problems import Problem

LONG = "n" * 201
SHOWN = f"'{'n' * 80}...' (with 201 characters)"


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], "text"),
        (["text"], "text"),
        (["integer"], "integer"),
        (["integer", "number"], "number"),
        (["boolean"], "boolean"),
        (["json"], "json"),
        (["date"], "date"),
        (["date", "text"], "text"),
        (["date", "datetime"], "text"),
        (["text", "integer"], "json"),
        (["boolean", "integer"], "json"),
        (["text", "json"], "json"),
        (["date", "integer"], "json"),
    ],
    ids=str,
)
def test_the_type_of_a_column_holds_all_of_its_values(kinds: list[str], expected: str) -> None:
    assert common_type({FieldType(kind) for kind in kinds}) == FieldType(expected)


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        pytest.param(["a", "B c", "_row", "日本", "n" * 200], [], id="names"),
        pytest.param(["é", "e\u0301"], [], id="two Unicode forms are two names"),
        pytest.param(
            ["a", "", " \u200b"],
            [
                Problem("empty_column_name", "column 2 has no name"),
                Problem(
                    "empty_column_name",
                    "column 3 has no name: it holds only ' <U+200B>' (with U+200B zero width "
                    "space)",
                ),
            ],
            id="nothing to be seen",
        ),
        pytest.param(
            ["a", "b", "a"],
            [Problem("duplicate_column", "column 'a' stands 2 times, at 1, 3", field="a")],
            id="twice",
        ),
        pytest.param(
            ["a\nb", "a\0"],
            [
                Problem(
                    "invalid_column_name",
                    "column 'a<U+000A>b' (with U+000A control character) has control characters "
                    "in its name",
                ),
                Problem(
                    "invalid_column_name",
                    "column 'a<U+0000>' (with U+0000 control character) has control characters "
                    "in its name",
                ),
            ],
            id="control characters",
        ),
        pytest.param(
            [LONG],
            [
                Problem(
                    "invalid_column_name", f"column {SHOWN} has a name longer than 200 characters"
                )
            ],
            id="too long",
        ),
    ],
)
def test_a_table_has_columns_that_can_be_told_apart(
    names: list[str], problems: list[Problem]
) -> None:
    assert check_columns(names) == problems
