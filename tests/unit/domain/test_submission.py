"""A submission is read by the rules of the fields, and only for fields that it may fill."""

from typing import Any

import pytest

from tasks_lib.domain.fields import Field
from tasks_lib.domain.rows.json_rows import parse_row
from tasks_lib.domain.submission import ParsedValues, Submission, read_submission
from tasks_lib.errors import Problem


def field(name: str, kind: str, source: str = "input", **more: Any) -> Field:
    return Field.model_validate({"name": name, "type": kind, "source": source, **more})


FIELDS = (
    field("body", "text", "dataset"),
    field("hint", "text", "dataset"),
    field("sentiment", "single_select", options=["good", "bad"]),
    field("weight", "number", required=False),
    field("tags", "multi_select", required=False, options=["a", "b"]),
    field("notes", "json", required=False),
)
PREDEFINED = {"body"}


def submit(document: str) -> Submission:
    return read_submission(FIELDS, PREDEFINED, ParsedValues(parse_row(document)))


@pytest.mark.parametrize(
    ("document", "stored"),
    [
        pytest.param(
            '{"sentiment": "good"}',
            '{"sentiment":"good","weight":null,"tags":null,"notes":null}',
            id="only what is required",
        ),
        pytest.param(
            '{"notes": {"b": 1.50, "a": [null]}, "weight": 1.50, "sentiment": "bad"}',
            '{"sentiment":"bad","weight":1.50,"tags":null,"notes":{"b":1.50,"a":[null]}}',
            id="digits and the order of the pipeline",
        ),
        pytest.param(
            '{"sentiment": "good", "weight": "1.50", "tags": "b;a"}',
            '{"sentiment":"good","weight":1.50,"tags":["b","a"],"notes":null}',
            id="texts are read like cells",
        ),
        pytest.param(
            '{"sentiment": "good", "tags": ["a"], "hint": "look"}',
            '{"hint":"look","sentiment":"good","weight":null,"tags":["a"],"notes":null}',
            id="a dataset field that the seeding skipped",
        ),
    ],
)
def test_values_are_stored_as_those_of_a_file_are(document: str, stored: str) -> None:
    assert submit(document) == Submission(stored)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param(
            "{}",
            Problem("required", "is required, but no value was given", field="sentiment"),
            id="required",
        ),
        pytest.param(
            '{"sentiment": null}',
            Problem("required", "is required, but no value was given", field="sentiment"),
            id="null is no value",
        ),
        pytest.param(
            '{"sentiment": "goood"}',
            Problem(
                "not_an_option",
                "'goood' is not one of the options (good, bad); did you mean 'good'?",
                field="sentiment",
            ),
            id="not an option",
        ),
        pytest.param(
            '{"sentiment": "good", "body": "mine"}',
            Problem(
                "read_only_field", "field 'body' came with the task and is read-only", field="body"
            ),
            id="predefined",
        ),
        pytest.param(
            '{"sentiment": "good", "wieght": 1}',
            Problem(
                "unknown_field",
                "the pipeline has no field 'wieght'; did you mean 'weight'?",
                field="wieght",
            ),
            id="unknown",
        ),
        pytest.param(
            '{"sentiment": "good", "weight": true}',
            Problem(
                "wrong_type",
                "a boolean was given, which a field of type number does not take",
                field="weight",
            ),
            id="of a kind that never fits",
        ),
        pytest.param(
            '{"sentiment": "go\\u0000od"}',
            Problem(
                "unsupported_value",
                "holds a NUL character or half of a surrogate pair",
                field="sentiment",
            ),
            id="NUL",
        ),
    ],
)
def test_a_problem_names_its_field(document: str, problem: Problem) -> None:
    assert submit(document).problems == (problem,)


def test_all_problems_are_reported_at_once() -> None:
    problems = submit('{"body": "mine", "tags": ["c"], "other": 1}').problems
    assert [(problem.field, problem.code) for problem in problems] == [
        ("other", "unknown_field"),
        ("body", "read_only_field"),
        ("sentiment", "required"),
        ("tags", "not_an_option"),
    ]


def test_a_file_cannot_be_submitted_as_a_value() -> None:
    photo = (field("photo", "file"),)
    (problem,) = read_submission(photo, (), ParsedValues({"photo": "s3://bucket/key"})).problems
    assert problem == Problem(
        "wrong_type", "a string was given, which a field of type file does not take", field="photo"
    )
