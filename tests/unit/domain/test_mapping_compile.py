"""Use of a mapping: samples, its JSON and Markdown forms, and the functions for a loader."""

import json

import pytest

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.mapping.compile import compile_plan, with_sample
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.plans import Plan, Sample, plan_mapping
from tasks_lib.domain.rows.json_rows import parse_row
from tasks_lib.steps.mapping_markdown import describe_field, markdown

FIELDS = [
    Field.model_validate(entry)
    for entry in (
        {"name": "review_id", "type": "text", "source": "dataset"},
        {"name": "stars", "type": "integer", "source": "dataset", "min": 1, "max": 5},
        {"name": "city", "type": "text", "source": "dataset", "required": False},
        {"name": "note", "type": "text", "source": "dataset"},
        {"name": "verdict", "type": "text", "source": "input"},
        {"name": "why", "type": "text", "source": "input"},
    )
]
COLUMNS = [
    Column("Review ID", FieldType.INTEGER),
    Column("stars", FieldType.TEXT),
    Column("meta", FieldType.JSON),
    Column("draft", FieldType.TEXT),
    Column("a|b", FieldType.TEXT),
]
ROWS = [
    {"Review ID": "1", "stars": '"5"', "meta": '{"city":"Rom"}', "draft": '"ok"'},
    {"Review ID": "2", "stars": '"9"', "meta": "{}", "draft": "null"},
    {"Review ID": "3", "stars": '"x"', "meta": '{"city":["Ulm"]}', "draft": '"ok"'},
    {"Review ID": "4", "stars": '""', "meta": "null", "draft": '"b|c"'},
    {"Review ID": "5", "stars": '"1"', "meta": '{"city":"Rom"}'},
]


def sampled_plan() -> Plan:
    by_hand = {"city": "meta:$.city", "verdict": "draft"}
    return with_sample(plan_mapping(COLUMNS, FIELDS, by_hand, ["note"]), ROWS)


def test_a_sample_holds_three_values_as_they_would_be_stored_and_counts_failures() -> None:
    assert [(entry.field.name, entry.sample) for entry in sampled_plan().fields] == [
        ("review_id", Sample(5, ('"1"', '"2"', '"3"'), ())),
        (
            "stars",
            Sample(
                5, ("5", "1"), (("above_maximum", 1), ("invalid_integer", 1), ("required", 1))
            ),
        ),
        ("city", Sample(5, ('"Rom"', "null"), (("path_wrong_type", 1),))),
        ("note", None),
        ("verdict", Sample(5, ('"ok"', "null", '"b|c"'), ())),
        ("why", None),
    ]  # fmt: skip


def test_a_plan_has_a_json_form() -> None:
    document = sampled_plan().document
    assert json.loads(json.dumps(document)) == document
    assert document["fields"][2] == {
        "target": "city",
        "type": "text",
        "filled_by": "dataset",
        "required": False,
        "outcome": "mapped",
        "why": "mapped by hand",
        "column": "meta",
        "column_type": "json",
        "path": "$.city",
        "sample": {
            "rows": 5,
            "values": ['"Rom"', "null"],
            "failed": 1,
            "failures": {"path_wrong_type": 1},
        },
    }
    assert document["fields"][3] == {
        "target": "note",
        "type": "text",
        "filled_by": "dataset",
        "required": True,
        "outcome": "skipped",
        "why": "skipped on request",
        "column": None,
        "column_type": None,
        "path": None,
    }
    assert document["columns"] == [
        {"name": "Review ID", "type": "integer", "used": True},
        {"name": "stars", "type": "text", "used": True},
        {"name": "meta", "type": "json", "used": True},
        {"name": "draft", "type": "text", "used": True},
        {"name": "a|b", "type": "text", "used": False},
    ]
    assert document["problems"] == []


def test_a_plan_has_a_markdown_form() -> None:
    assert markdown(sampled_plan()).splitlines() == [
        "| field | type | source | outcome | why | sample | fails |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| `review_id` | text | `Review ID` | matched | same letters and digits "
        '| `"1"`, `"2"`, `"3"` | 0 of 5 |',
        "| `stars` | integer | `stars` | matched | same name | `5`, `1` "
        "| 3 of 5: above_maximum 1, invalid_integer 1, required 1 |",
        "| `city` | text, optional | `meta:$.city` | mapped | mapped by hand "
        '| `"Rom"`, `null` | 1 of 5: path_wrong_type 1 |',
        "| `note` | text |  | skipped | skipped on request |  |  |",
        "| `verdict` | text | `draft` | mapped | mapped by hand "
        '| `"ok"`, `null`, `"b\\|c"` | 0 of 5 |',
        "| `why` | text |  |  | filled in by contributors |  |  |",
        "",
        "1 column not used: `a\\|b`",
    ]


def test_the_markdown_form_begins_with_the_problems() -> None:
    fields = [Field.model_validate({"name": "a", "type": "text", "source": "dataset"})]
    assert markdown(plan_mapping([], fields)).splitlines() == [
        "- **unmatched_field**: the required field 'a' gets no value: no column matches; "
        "map it by hand or skip it",
        "",
        "| field | type | source | outcome | why | sample | fails |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| `a` | text |  | unmatched | no column matches |  |  |",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("a`b", "`` a`b ``", id="backtick"),
        pytest.param("a``b`", "``` a``b` ```", id="backticks"),
        pytest.param("a|b", "`a\\|b`", id="bar"),
        pytest.param("<b>", "`<b>`", id="tag"),
        pytest.param("a\nb", "`a b`", id="line break"),
    ],
)
def test_any_name_is_shown_as_code(name: str, shown: str) -> None:
    plan = plan_mapping([Column(name, FieldType.TEXT)], [])
    assert markdown(plan).splitlines()[-1] == f"1 column not used: {shown}"


def test_a_long_value_is_cut_in_the_markdown_form_only() -> None:
    plan = plan_mapping([Column("verdict", FieldType.TEXT)], FIELDS[4:5])
    plan = with_sample(plan, [{"verdict": json.dumps("x" * 50)}])
    assert plan.document["fields"][0]["sample"]["values"] == ['"' + "x" * 50 + '"']
    assert f'| `"{"x" * 39}...` |' in markdown(plan)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("It fits.", '"It fits."'),
        ("Größe-42", '"Größe-42"'),
        ("_a_ *b*", '`"_a_ *b*"`'),
        ("<b>", '`"<b>"`'),
        ("x" * 50, f'"{"x" * 39}...'),
    ],
)
def test_a_form_shows_values_as_code_only_if_they_hold_marks(value: str, shown: str) -> None:
    plan = plan_mapping([Column("verdict", FieldType.TEXT)], FIELDS[4:5])
    (entry,) = with_sample(plan, [{"verdict": json.dumps(value, ensure_ascii=False)}]).fields
    assert describe_field(entry, ()).endswith(f". First values: {shown}")


def test_a_sample_of_no_rows_has_no_failures() -> None:
    plan = with_sample(plan_mapping(COLUMNS, FIELDS), [])
    assert plan.fields[0].sample == Sample(0, (), ())


def test_a_compiled_plan_makes_the_cells_of_a_row_in_the_order_of_the_fields() -> None:
    filled = compile_plan(sampled_plan())
    row = parse_row('{"Review ID":12345678901234567890,"stars":"5","meta":{"city":"Rom"}}')
    assert [(each.field.name, each.cell_of(row)) for each in filled] == [
        ("review_id", "12345678901234567890"),
        ("stars", "5"),
        ("city", "Rom"),
        ("verdict", ""),
    ]
    assert [each.read(each.cell_of(row)) for each in filled] == [
        '"12345678901234567890"',
        "5",
        '"Rom"',
        "null",
    ]


def test_an_input_is_filled_as_an_optional_field() -> None:
    filled = {each.field.name: each.field.required for each in compile_plan(sampled_plan())}
    assert filled == {"review_id": True, "stars": True, "city": False, "verdict": False}
