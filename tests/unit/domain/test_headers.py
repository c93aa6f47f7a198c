"""A file's header against the fields that a seeding fills."""

import pytest

from tasks_lib.domain.rows.headers import check_header, match_columns
from tasks_lib.errors import Problem


def unknown(shown: str, column: str, hint: str = "") -> Problem:
    message = f"column {shown} is not a dataset field of the pipeline{hint}"
    return Problem("unknown_column", message, field=column)


def missing(name: str) -> Problem:
    return Problem("missing_column", f"the header lacks the column '{name}'", field=name)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param(["id", "body"], ["id", "body"], id="in order"),
        pytest.param(["body", "id"], ["id", "body"], id="in any order"),
        pytest.param(["id", "_row", "body", "_errors"], ["id", "body"], id="of a rejects file"),
        pytest.param(["_errors", "id"], ["id"], id="with one column of a rejects file"),
        pytest.param(["a b", "é", "日本"], ["é", "日本", "a b"], id="with any visible characters"),
        pytest.param(["id", "ID"], ["id", "ID"], id="with fields that differ by case"),
    ],
)
def test_a_header_with_exactly_the_fields_is_accepted(
    columns: list[str], expected: list[str]
) -> None:
    assert check_header(columns, expected) == []


@pytest.mark.parametrize(
    ("columns", "expected", "problems"),
    [
        pytest.param(
            ["id"],
            ["id", "body", "stars"],
            [missing("body"), missing("stars")],
            id="missing columns, in the order of the fields",
        ),
        pytest.param([], ["id"], [missing("id")], id="no columns"),
        pytest.param(
            ["id", "colour"], ["id"], [unknown("'colour'", "colour")], id="unknown column"
        ),
        pytest.param(
            ["id", "Body"],
            ["id", "body"],
            [unknown("'Body'", "Body", "; did you mean 'body'?")],
            id="another case",
        ),
        pytest.param(
            ["id", "body "],
            ["id", "body"],
            [unknown("'body '", "body ", "; did you mean 'body'?")],
            id="white space",
        ),
        pytest.param(
            ["\ufeffid"],
            ["id"],
            [
                unknown(
                    "'<U+FEFF>id' (with U+FEFF zero width no-break space)",
                    "\ufeffid",
                    "; did you mean 'id'?",
                ),
            ],
            id="an invisible character",
        ),
        pytest.param(
            ["Review ID", "body", "STARS", "notes"],
            ["review_id", "body", "stars", "photo"],
            [
                unknown("'Review ID'", "Review ID", "; did you mean 'review_id'?"),
                unknown("'STARS'", "STARS", "; did you mean 'stars'?"),
                unknown("'notes'", "notes"),
                missing("photo"),
            ],
            id="a column to rename is one problem, not an unknown one and a missing one",
        ),
        pytest.param(
            ["review_id", "bodyy"],
            ["review_id", "body"],
            [unknown("'bodyy'", "bodyy", "; did you mean 'body'?"), missing("body")],
            id="a column that is only similar may be another one",
        ),
        pytest.param(
            ["review_id", "review_idd"],
            ["review_id", "body"],
            [unknown("'review_idd'", "review_idd"), missing("body")],
            id="only what is missing is suggested",
        ),
        pytest.param(
            ["id", "Id"],
            ["id"],
            [unknown("'Id'", "Id", "; did you mean 'id'?")],
            id="any field is suggested where none is missing",
        ),
        pytest.param(
            ["_Row", "id"], ["id"], [unknown("'_Row'", "_Row")], id="reserved, in another case"
        ),
        pytest.param(
            ["", "id", ""],
            ["id"],
            [
                Problem("empty_column_name", "column 1 has no name"),
                Problem("empty_column_name", "column 3 has no name"),
            ],
            id="no names",
        ),
        pytest.param(
            ["id", "  "],
            ["id"],
            [Problem("empty_column_name", "column 2 has no name: it holds only '  '")],
            id="a name of spaces",
        ),
        pytest.param(
            ["\u200b", "id"],
            ["id"],
            [
                Problem(
                    "empty_column_name",
                    "column 1 has no name: it holds only '<U+200B>' (with U+200B zero width space)",
                )
            ],
            id="a name that cannot be seen",
        ),
        pytest.param(
            ["id", "body", "id", "id"],
            ["id", "body"],
            [Problem("duplicate_column", "column 'id' occurs 3 times, at 1, 3, 4", field="id")],
            id="doubled column",
        ),
        pytest.param(
            ["_row", "id", "_row"],
            ["id"],
            [Problem("duplicate_column", "column '_row' occurs 2 times, at 1, 3", field="_row")],
            id="doubled column of a rejects file",
        ),
        pytest.param(
            ["id", "", "Body", "id"],
            ["id", "body"],
            [
                Problem("duplicate_column", "column 'id' occurs 2 times, at 1, 4", field="id"),
                Problem("empty_column_name", "column 2 has no name"),
                unknown("'Body'", "Body", "; did you mean 'body'?"),
            ],
            id="everything at once",
        ),
        pytest.param(
            ["x", "id", "tag", "", "tag", "y", "id", " ", "", "x"],
            ["id", "body", "stars"],
            [
                unknown("'x'", "x"),
                Problem("duplicate_column", "column 'x' occurs 2 times, at 1, 10", field="x"),
                Problem("duplicate_column", "column 'id' occurs 2 times, at 2, 7", field="id"),
                unknown("'tag'", "tag"),
                Problem("duplicate_column", "column 'tag' occurs 2 times, at 3, 5", field="tag"),
                Problem("empty_column_name", "column 4 has no name"),
                Problem("empty_column_name", "column 9 has no name"),
                unknown("'y'", "y"),
                Problem("empty_column_name", "column 8 has no name: it holds only ' '"),
                missing("body"),
                missing("stars"),
            ],
            id="in the order in which each column first appears, then what is missing",
        ),
        pytest.param(
            ["e\u0301t\u00e9"],
            ["\u00e9t\u00e9"],
            [
                unknown(
                    "'e\u0301t\u00e9' (with accents as characters of their own)",
                    "e\u0301t\u00e9",
                    "; did you mean '\u00e9t\u00e9'?",
                ),
            ],
            id="an accent as a character of its own",
        ),
        pytest.param(
            ["bo\u3164dy"],
            ["body"],
            [
                unknown(
                    "'bo<U+3164>dy' (with U+3164 hangul filler)",
                    "bo\u3164dy",
                    "; did you mean 'body'?",
                ),
                missing("body"),
            ],
            id="a letter that is drawn as nothing",
        ),
        pytest.param(
            ["\u2800 \u200b", "id"],
            ["id"],
            [
                Problem(
                    "empty_column_name",
                    "column 1 has no name: it holds only '<U+2800> <U+200B>' "
                    "(with U+200B zero width space, U+2800 braille pattern blank)",
                )
            ],
            id="a name of blanks of every kind",
        ),
        pytest.param(
            ["x" * 1_234, "id"],
            ["id"],
            [unknown(f"'{'x' * 80}...' (with 1,234 characters)", "x" * 1_234)],
            id="a name that is too long to show",
        ),
        pytest.param(
            ["\u200bid", "id", "\u200bid"],
            ["id"],
            [
                unknown(
                    "'<U+200B>id' (with U+200B zero width space)",
                    "\u200bid",
                    "; did you mean 'id'?",
                ),
                Problem(
                    "duplicate_column",
                    "column '<U+200B>id' (with U+200B zero width space) occurs 2 times, at 1, 3",
                    field="\u200bid",
                ),
            ],
            id="an invisible character is named in a doubled column too",
        ),
        pytest.param(
            ["id", "tag", "tag"],
            ["id"],
            [
                unknown("'tag'", "tag"),
                Problem("duplicate_column", "column 'tag' occurs 2 times, at 2, 3", field="tag"),
            ],
            id="an unknown column that is doubled is unknown once",
        ),
        pytest.param(
            [" ", "id", " "],
            ["id"],
            [
                Problem("empty_column_name", "column 1 has no name: it holds only ' '"),
                Problem("empty_column_name", "column 3 has no name: it holds only ' '"),
            ],
            id="names of spaces are not doubled names",
        ),
    ],
)
def test_each_column_that_does_not_fit_is_a_problem(
    columns: list[str], expected: list[str], problems: list[Problem]
) -> None:
    assert check_header(columns, expected) == problems


MEANT = "; did you mean 'body'?"
NEAR_BODY = [f"body{number}" for number in range(21)]


@pytest.mark.parametrize(
    ("columns", "expected", "problems"),
    [
        pytest.param(
            NEAR_BODY,
            ["body"],
            [
                *(unknown(f"'{column}'", column, MEANT) for column in NEAR_BODY[:20]),
                unknown("'body20'", "body20"),
                missing("body"),
            ],
            id="of 21 unknown columns, the last one is not",
        ),
        pytest.param(
            [*[""] * 20, "Body"],
            ["body"],
            [
                *(Problem("empty_column_name", f"column {at} has no name") for at in range(1, 21)),
                unknown("'Body'", "Body"),
                missing("body"),
            ],
            id="after 20 columns without a name",
        ),
        pytest.param(
            [*[""] * 19, "Body", "Body", "BODY"],
            ["body"],
            [
                *(Problem("empty_column_name", f"column {at} has no name") for at in range(1, 20)),
                unknown("'Body'", "Body", MEANT),
                Problem(
                    "duplicate_column", "column 'Body' occurs 2 times, at 20, 21", field="Body"
                ),
                unknown("'BODY'", "BODY"),
            ],
            id="the 20th problem is the last",
        ),
        pytest.param(
            ["Body"],
            ["body", *(f"field{number}" for number in range(30))],
            [
                unknown("'Body'", "Body", MEANT),
                *(missing(f"field{number}") for number in range(30)),
            ],
            id="missing columns do not count",
        ),
    ],
)
def test_a_field_is_suggested_until_there_are_twenty_problems(
    columns: list[str], expected: list[str], problems: list[Problem]
) -> None:
    assert check_header(columns, expected) == problems


@pytest.mark.parametrize(
    ("columns", "expected", "matched"),
    [
        pytest.param(["id", " name"], ["id", "name"], ["id", "name"], id="a space after the comma"),
        pytest.param(["\ufeffid", "name\u200b"], ["id", "name"], ["id", "name"], id="invisible"),
        pytest.param(["prix\u00a0HT"], ["prix HT"], ["prix HT"], id="a no-break space"),
        pytest.param(
            ["prix HT"], ["prix\u202fHT"], ["prix\u202fHT"], id="a narrow one in the field"
        ),
        pytest.param(["e\u0301tat"], ["\u00e9tat"], ["\u00e9tat"], id="an accent on its own"),
        pytest.param(["क्\u200dष"], ["क्\u200dष"], ["क्\u200dष"], id="a joiner"),
        pytest.param(["क्ष"], ["क्\u200dष"], ["क्\u200dष"], id="a joiner in the field"),
        pytest.param(["Name"], ["name"], ["Name"], id="another case is another name"),
        pytest.param([" id", "id "], ["id"], [" id", "id "], id="two columns for a field"),
        pytest.param(["id", "id "], ["id"], ["id", "id "], id="the field itself is there"),
        pytest.param([" a"], ["a", "a\u200d"], [" a"], id="two fields for a column"),
        pytest.param([" _errors", "id"], ["id"], [" _errors", "id"], id="no field at all"),
    ],
)
def test_a_column_is_a_field_if_both_look_the_same(
    columns: list[str], expected: list[str], matched: list[str]
) -> None:
    assert match_columns(columns, expected) == matched
