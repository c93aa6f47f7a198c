"""Names and types of the columns of a dataset."""

import pytest

from tasks_lib.domain.datasets import check_columns, common_type, name_columns
from tasks_lib.domain.fields import FieldType
from tasks_lib.errors import Problem

LONG = "n" * 2_001
SHOWN = f"'{'n' * 80}...' (with 2,001 characters)"


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
        pytest.param(["a", "B c", "_row", "日本", "n" * 2_000], [], id="names"),
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
            [Problem("duplicate_column", "column 'a' occurs 2 times, at 1, 3", field="a")],
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
                    "invalid_column_name", f"column {SHOWN} has a name longer than 2,000 characters"
                )
            ],
            id="too long",
        ),
    ],
)
def test_the_columns_of_a_table_need_valid_and_distinct_names(
    names: list[str], problems: list[Problem]
) -> None:
    assert check_columns(names) == problems


@pytest.mark.parametrize(
    ("header", "names", "warnings"),
    [
        pytest.param(["a", "B c", "_row"], ["a", "B c", "_row"], ["", "", ""], id="names"),
        pytest.param(
            ["", "id", "\u200b"], ["column_1", "id", "column_3"],
            ["column 1 has no name and is called 'column_1'", "",
             "column 3 has no name and is called 'column_3'"],
            id="without names",
        ),
        pytest.param(
            ["", "column_1", "column_2"], ["column_3", "column_1", "column_2"],
            ["column 1 has no name and is called 'column_3'", "", ""],
            id="the number is taken",
        ),
        pytest.param(
            ["L", "L", "L 2", "L"], ["L", "L 3", "L 2", "L 4"],
            ["", "column 2 is the second or a later 'L' and is called 'L 3'", "",
             "column 4 is the second or a later 'L' and is called 'L 4'"],
            id="the same name",
        ),
        pytest.param(
            ["Which one?\r\n(optional)", "Which one? (optional)"],
            ["Which one? (optional)", "Which one? (optional) 2"],
            ["the name of column 1 holds a line break or another control character and is now "
             "'Which one? (optional)'",
             "column 2 is the second or a later 'Which one? (optional)' and is called "
             "'Which one? (optional) 2'"],
            id="line breaks",
        ),
    ],
)  # fmt: skip
def test_each_column_of_a_header_gets_a_name_of_its_own(
    header: list[str], names: list[str], warnings: list[str]
) -> None:
    columns = name_columns(header)
    assert [column.name for column in columns] == names
    assert [column.warning for column in columns] == warnings
