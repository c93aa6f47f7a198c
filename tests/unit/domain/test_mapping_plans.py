"""Mapping columns to fields by name and by hand, and drift in the columns of a source."""

import pytest

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.drift import drift
from tasks_lib.domain.mapping.plans import (
    Outcome,
    Plan,
    columns_of,
    plan_mapping,
    split_source,
)
from tasks_lib.domain.names import letters_and_digits
from tasks_lib.errors import Problem


def field(name: str, kind: str = "text", **settings: object) -> Field:
    return Field.model_validate({"name": name, "type": kind, "source": "dataset", **settings})


def columns(*names: str, **typed: str) -> list[Column]:
    texts = [Column(name, FieldType.TEXT) for name in names]
    return texts + [Column(name, FieldType(kind)) for name, kind in typed.items()]


def decisions(plan: Plan) -> list[tuple[str, str, str | None, str]]:
    return [
        (entry.field.name, entry.outcome.value, entry.source, entry.why) for entry in plan.fields
    ]


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        pytest.param("Review ID", "reviewid", id="space and capitals"),
        pytest.param("review_id", "reviewid", id="underscore"),
        pytest.param("reviewId", "reviewid", id="camel case"),
        pytest.param("review-id.", "reviewid", id="hyphen and dot"),
        pytest.param("\uff32eview\u3000\uff29\uff24", "reviewid", id="full width"),
        pytest.param("review\u200bid", "reviewid", id="what cannot be seen"),
        pytest.param("E\u0301te\u0301", "été", id="accents of their own"),
        pytest.param("STRASSE", "strasse", id="sharp s in capitals"),
        pytest.param("Straße", "strasse", id="sharp s"),
        pytest.param("日本 語", "日本語", id="Japanese"),
        pytest.param("हिन्दी", "हिन्दी", id="vowels that are marks"),
        pytest.param("a²", "a2", id="digit above"),
        pytest.param("--- ", "", id="nothing left"),
    ],
)
def test_a_folded_name_keeps_only_letters_and_digits(name: str, folded: str) -> None:
    assert letters_and_digits(name) == folded


@pytest.mark.parametrize(
    ("names", "fields", "expected"),
    [
        pytest.param(["body"], ["body"], [("body", "matched", "body", "same name")], id="exact"),
        pytest.param(
            ["Review ID"],
            ["review_id"],
            [("review_id", "matched", "Review ID", "same letters and digits")],
            id="same letters and digits",
        ),
        pytest.param(
            ["Review ID", "review_id"],
            ["review_id"],
            [("review_id", "matched", "review_id", "same name")],
            id="exact before the same letters",
        ),
        pytest.param(
            ["review_id"],
            ["Review ID", "review_id"],
            [
                ("Review ID", "unmatched", None, "no column matches"),
                ("review_id", "matched", "review_id", "same name"),
            ],
            id="a column is the field's of its name",
        ),
        pytest.param(
            ["review-id", "Review ID"],
            ["review_id"],
            [("review_id", "unmatched", None, "ambiguous: 'Review ID', 'review-id'")],
            id="two columns for one field",
        ),
        pytest.param(
            ["reviewId"],
            ["review_id", "Review ID"],
            [
                ("review_id", "unmatched", None, "ambiguous: 'reviewId' matches 'Review ID' as "
                 "well"),
                ("Review ID", "unmatched", None, "ambiguous: 'reviewId' matches 'review_id' as "
                 "well"),
            ],
            id="two fields for one column",
        ),
        pytest.param(
            ["reviewId", "review_id"],
            ["review_id", "Review ID"],
            [
                ("review_id", "matched", "review_id", "same name"),
                ("Review ID", "matched", "reviewId", "same letters and digits"),
            ],
            id="the exact match leaves the other to the other",
        ),
        pytest.param(
            ["★"], ["☆"], [("☆", "unmatched", None, "no column matches")], id="no letters at all"
        ),
    ],
)  # fmt: skip
def test_columns_are_matched_by_name(
    names: list[str], fields: list[str], expected: list[tuple[str, str, str | None, str]]
) -> None:
    assert decisions(plan_mapping(columns(*names), [field(name) for name in fields])) == expected


def test_a_skipped_or_mapped_field_does_not_compete_for_a_column() -> None:
    fields = [field("review_id"), field("Review ID")]
    for plan in (
        plan_mapping(columns("reviewId", "x"), fields, skip=["Review ID"]),
        plan_mapping(columns("reviewId", "x"), fields, {"Review ID": "x"}),
    ):
        assert plan.fields[0].outcome is Outcome.MATCHED
        assert plan.problems == ()


def test_one_column_may_fill_several_fields() -> None:
    plan = plan_mapping(columns("body", "x"), [field("body"), field("copy")], {"copy": "body"})
    assert plan.mapping == {"body": "body", "copy": "body"}
    assert plan.unused == (Column("x", FieldType.TEXT),)


def test_an_optional_field_or_an_input_without_a_column_is_unmatched_and_no_problem() -> None:
    fields = [field("note", required=False), field("answer", source="input")]
    plan = plan_mapping(columns("x"), fields)
    assert decisions(plan) == [
        ("note", "unmatched", None, "no column matches"),
        ("answer", "unmatched", None, "filled in by contributors"),
    ]
    assert plan.problems == ()


def test_an_input_can_be_matched_and_mapped() -> None:
    fields = [field("answer", source="input"), field("rating", source="input")]
    plan = plan_mapping(columns("Answer", "x"), fields, {"rating": "x"})
    assert plan.mapping == {"answer": "Answer", "rating": "x"}


@pytest.mark.parametrize(
    ("given_columns", "message"),
    [
        pytest.param(columns("zzz"), "no column matches; map it by hand or skip it", id="nothing"),
        pytest.param(columns("bodi"), "no column matches; map it by hand or skip it; "
                     "did you mean 'bodi'?", id="something near"),
        pytest.param(columns("Body", "BODY"),
                     "ambiguous: 'BODY', 'Body'; map it by hand or skip it", id="ambiguous"),
        pytest.param(columns(body="json"), "column 'body' is of type json, which never fits text "
                     "without a JSONPath; map it by hand or skip it", id="a type that cannot fit"),
    ],
)  # fmt: skip
def test_a_required_dataset_field_without_a_column_is_a_problem(
    given_columns: list[Column], message: str
) -> None:
    plan = plan_mapping(given_columns, [field("body")])
    expected = f"the required field 'body' gets no value: {message}"
    assert plan.problems == (Problem("unmatched_field", expected, field="body"),)


def test_of_many_fields_without_a_column_only_twenty_get_a_suggestion() -> None:
    fields = [field(f"body {number:03}") for number in range(30)]
    plan = plan_mapping(columns("body"), fields)
    hinted = [problem.field for problem in plan.problems if "did you mean" in problem.message]
    assert hinted == [entry.name for entry in fields[:20]]


def test_a_required_dataset_field_may_be_skipped_on_purpose() -> None:
    plan = plan_mapping(columns("body"), [field("body")], skip=["body"])
    assert decisions(plan) == [("body", "skipped", None, "skipped on request")]
    assert plan.problems == ()
    assert plan.skip == ("body",)
    assert plan.unused == (Column("body", FieldType.TEXT),)


BY_HAND = columns("a", "a:$.b", "b:c", plain="integer", meta="json", **{"meta:x": "json"})


@pytest.mark.parametrize(
    ("source", "column", "path"),
    [
        pytest.param("a", "a", None, id="column"),
        pytest.param("a:$.b", "a:$.b", None, id="the longest name is the whole"),
        pytest.param("a:$.c", "a", "$.c", id="column and path"),
        pytest.param("a:$.b:$.c", "a:$.b", "$.c", id="the longest name of two"),
        pytest.param("b:c", "b:c", None, id="colon in a name"),
        pytest.param("b:c:$['x:y']", "b:c", "$['x:y']", id="colons in both"),
        pytest.param("meta:x:$", "meta:x", "$", id="the root"),
    ],
)
def test_a_source_is_split_after_the_longest_name(
    source: str, column: str, path: str | None
) -> None:
    assert split_source(source, [entry.name for entry in BY_HAND]) == (column, path)


@pytest.mark.parametrize("source", ["", "x", "a:", "a:.b", ":$", "x:$.a", "A"])
def test_a_source_that_begins_with_no_column_is_not_split(source: str) -> None:
    assert split_source(source, [entry.name for entry in BY_HAND]) is None


def test_fields_are_mapped_by_hand() -> None:
    fields = [field("title"), field("stars", "integer"), field("meta", "json")]
    plan = plan_mapping(BY_HAND, fields, {"title": "b:c", "stars": "meta:$.stars"})
    assert decisions(plan) == [
        ("title", "mapped", "b:c", "mapped by hand"),
        ("stars", "mapped", "meta:$.stars", "mapped by hand"),
        ("meta", "matched", "meta", "same name"),
    ]
    assert plan.problems == ()


@pytest.mark.parametrize(
    ("mapping", "skip", "code", "target", "message"),
    [
        pytest.param({"bodi": "a"}, [], "unknown_target", "bodi",
                     "the pipeline has no field 'bodi'; did you mean 'body'?", id="no such field"),
        pytest.param({}, ["bodi"], "unknown_target", "bodi",
                     "the pipeline has no field 'bodi'; did you mean 'body'?",
                     id="no such field to skip"),
        pytest.param({"body": "a"}, ["body"], "mapped_and_skipped", "body",
                     "field 'body' is both mapped and skipped", id="mapped and skipped"),
        pytest.param({"body": "Plain"}, [], "unknown_source_column", "body",
                     "field 'body': the source has no column 'Plain'; did you mean 'plain'?",
                     id="no such column"),
        pytest.param({"body": "metta:$.a"}, [], "unknown_source_column", "body",
                     "field 'body': the source has no column 'metta'; did you mean 'meta'?",
                     id="no such column before a path"),
        pytest.param({"body": "meta:a"}, [], "unknown_source_column", "body",
                     "field 'body': 'meta:a' is not a column, and a JSONPath after a column begins "
                     "with $", id="a path without $"),
        pytest.param({"body": "meta:$.a["}, [], "invalid_jsonpath", "body",
                     "field 'body': '$.a[' is not a JSONPath at character 5: unbalanced brackets",
                     id="bad path"),
        pytest.param({"body": "plain:$.a"}, [], "path_without_json", "body",
                     "field 'body': column 'plain' is of type integer, and a JSONPath needs json, "
                     "or text that holds JSON",
                     id="path on an integer"),
        pytest.param({"body": "meta"}, [], "types_never_fit", "body",
                     "field 'body': column 'meta' is of type json, which never fits text without "
                     "a JSONPath", id="JSON as a whole"),
        pytest.param({"day": "plain"}, [], "types_never_fit", "day",
                     "field 'day': column 'plain' is of type integer, which never fits date",
                     id="types that never fit"),
        pytest.param({"scan": "meta:$.a"}, [], "types_never_fit", "scan",
                     "field 'scan': column 'meta' is of type json, which never fits file",
                     id="a file out of JSON"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_manual_mapping_is_a_problem(
    mapping: dict[str, str], skip: list[str], code: str, target: str, message: str
) -> None:
    fields = [field(name, kind, required=False) for name, kind in
              (("body", "text"), ("day", "date"), ("scan", "file"))]  # fmt: skip
    plan = plan_mapping(BY_HAND, fields, mapping, skip)
    assert plan.problems == (Problem(code, message, field=target),)


def test_a_required_field_that_is_mapped_wrongly_is_one_problem() -> None:
    plan = plan_mapping(columns("body"), [field("body")], {"body": "x"})
    assert [problem.code for problem in plan.problems] == ["unknown_source_column"]
    assert plan.fields[0].outcome is Outcome.UNMATCHED


def test_problems_of_names_come_first_then_those_of_fields_in_their_order() -> None:
    fields = [field("a"), field("b"), field("c")]
    plan = plan_mapping([], fields, {"y": "1", "c": "1"}, ["x", "b"])
    assert [(problem.code, problem.field) for problem in plan.problems] == [
        ("unknown_target", "x"),
        ("unknown_target", "y"),
        ("unmatched_field", "a"),
        ("unknown_source_column", "c"),
    ]


def test_the_mapping_of_a_plan_makes_the_same_plan_again() -> None:
    fields = [field("title"), field("stars", "integer"), field("note"), field("b_c")]
    plan = plan_mapping(BY_HAND, fields, {"title": "a", "stars": "meta:$.x"}, ["note"])
    again = plan_mapping(BY_HAND, fields, plan.mapping, plan.skip)
    assert again.mapping == plan.mapping == {"title": "a", "stars": "meta:$.x", "b_c": "b:c"}
    assert again.problems == ()


def test_a_source_pipeline_has_columns_for_its_fields_and_the_members_of_every_task() -> None:
    fields = [field("stars", "integer"), field("id"), field("answer", "json", source="input")]
    assert columns_of(fields) == (
        Column("stars", FieldType.INTEGER),
        Column("id", FieldType.TEXT),
        Column("answer", FieldType.JSON),
        Column("task_id", FieldType.INTEGER),
        Column("status", FieldType.TEXT),
        Column("created", FieldType.DATETIME),
    )


@pytest.mark.parametrize(
    ("before", "now", "sentences"),
    [
        pytest.param(columns("a", "b"), columns("b", "a"), [], id="another order"),
        pytest.param(columns("a"), columns("a", "b"), ["column 'b' is new"], id="new"),
        pytest.param(columns("a", "xyz"), columns("a"), ["column 'xyz' is gone"], id="gone"),
        pytest.param(columns(a="integer"), columns(a="text"),
                     ["column 'a' was integer and is text now"], id="another type"),
        pytest.param(columns("review_id", "x"), columns("x", "Review ID"),
                     ["column 'review_id' is gone; it may be called 'Review ID' now",
                      "column 'Review ID' is new"], id="renamed"),
        pytest.param(columns("a", "b", c="json"), columns("e", "d", c="text"),
                     ["column 'a' is gone", "column 'b' is gone",
                      "column 'c' was json and is text now", "column 'e' is new",
                      "column 'd' is new"], id="everything at once"),
    ],
)  # fmt: skip
def test_drift_is_described_in_sentences(
    before: list[Column], now: list[Column], sentences: list[str]
) -> None:
    assert drift(before, now) == sentences
