"""Tasks in JSON are read like the rows of a CSV, and every problem names its place."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cells import field, fields_of
from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import MalformedBodyError
from tasks_lib.intake.api_tasks.json_cells import CloseReader
from tasks_lib.intake.api_tasks.json_lists import MAX_TASKS, list_tasks
from tasks_lib.intake.api_tasks.json_structs import are_certain, decode_tasks
from tasks_lib.intake.api_tasks.json_tasks import ReadTasks, read_tasks

LIMITS = Limits(max_cell_bytes=40)


def body_of(*rows: object) -> bytes:
    return json.dumps({"tasks": [{"fields": row} for row in rows]}).encode()


def values_of(body: bytes, fields: list[Field]) -> list[str]:
    read = read_tasks(body, fields, LIMITS)
    assert read.bad == ()
    values: list[str] = read.values.to_pylist()
    return values


def problems_of(read: ReadTasks) -> list[tuple[int, str | None, str]]:
    return [(bad.place, bad.problem.field, bad.problem.code) for bad in read.bad]


@pytest.mark.parametrize(
    ("kind", "written", "stored"),
    [
        ("text", '"001"', '"001"'),
        ("text", '" padded "', '" padded "'),
        ("text", '"NA"', '"NA"'),
        ("text", "12345678901234567890", '"12345678901234567890"'),
        ("text", "1.50", '"1.50"'),
        ("text", "-0", '"-0"'),
        ("text", "true", '"true"'),
        ("long_text", '"two\\nlines"', '"two\\nlines"'),
        ("integer", "42", "42"),
        ("integer", '"42"', "42"),
        ("integer", "-9223372036854775808", "-9223372036854775808"),
        ("number", "1.50", "1.50"),
        ("number", "1E+2", "1E+2"),
        ("number", '"1.50"', "1.50"),
        ("number", "-0.0", "-0.0"),
        ("boolean", "true", "true"),
        ("boolean", '"yes"', "true"),
        ("boolean", "0", "false"),
        ("date", '"2026-11-25"', '"2026-11-25"'),
        ("datetime", '"2026-11-25T01:02:03Z"', '"2026-11-25T01:02:03Z"'),
        ("single_select", '"good"', '"good"'),
        ("multi_select", '"good;bad"', '["good","bad"]'),
        ("multi_select", '["so;so"]', '["so;so"]'),
        ("url", '"https://example.org/a"', '"https://example.org/a"'),
        ("json", '{"a": 1.50}', '{"a":1.50}'),
        ("json", '"text"', '"text"'),
        ("json", "[]", "[]"),
        ("text?", "null", "null"),
        ("text?", '""', "null"),
        ("multi_select?", "[]", "null"),
        ("json?", "null", "null"),
    ],
)
def test_a_value_is_read_by_the_type_of_its_field(kind: str, written: str, stored: str) -> None:
    body = f'{{"tasks":[{{"fields":{{"a":{written}}}}}]}}'.encode()
    assert values_of(body, fields_of(a=kind)) == [f'{{"a":{stored}}}']


@pytest.mark.parametrize(
    ("kind", "written", "code"),
    [
        ("text", "null", "required"),
        ("text", '""', "required"),
        ("text", "[1]", "wrong_type"),
        ("text", '"a\\u0000b"', "unsupported_value"),
        ("text", '"' + 41 * "x" + '"', "cell_too_large"),
        ("integer", "1.5", "invalid_integer"),
        ("integer", "-0.0", "invalid_integer"),
        ("integer", "-0", "invalid_integer"),
        ("integer", "9223372036854775808", "invalid_integer"),
        ("integer", "true", "wrong_type"),
        ("boolean", "2", "invalid_boolean"),
        ("boolean", "1.0", "wrong_type"),
        ("number", "true", "wrong_type"),
        ("number", "{}", "wrong_type"),
        ("date", "20261125", "wrong_type"),
        ("url", "5", "wrong_type"),
        ("single_select", '"god"', "not_an_option"),
        ("multi_select", "[1]", "wrong_type"),
        ("json", '{"a": {"b": 1, "b": 2}}', "invalid_json"),
        ("text", '{"b": 1, "b": 2}', "invalid_json"),
        ("json", "[" * 70 + "]" * 70, "cell_too_large"),
    ],
)
def test_a_value_that_does_not_fit_is_reported(kind: str, written: str, code: str) -> None:
    body = f'{{"tasks":[{{"fields":{{"a":{written}}}}}]}}'.encode()
    assert problems_of(read_tasks(body, fields_of(a=kind), LIMITS)) == [(0, "a", code)]


def test_an_optional_field_may_be_left_out() -> None:
    fields = fields_of(a="text", b="integer?")
    assert values_of(body_of({"a": "x"}, {"b": 1, "a": "y"}), fields) == [
        '{"a":"x","b":null}',
        '{"a":"y","b":1}',
    ]


def test_every_problem_of_every_task_is_reported_in_order() -> None:
    fields = fields_of(review_id="text", body="text", stars="integer?")
    body = (
        b'{"tasks":[{"fields":{"review_id":"1","body":"x"}},'
        b'{"fields":{"stars":"many","bdy":"x","review_id":"2","review_id":"3"}},'
        b'{"fields":[]},{"priority":1,"fields":{}},7,{"fields":{"review_id":true,"body":""}}]}'
    )
    assert [tuple(bad.problem[:2]) for bad in read_tasks(body, fields, LIMITS).bad] == [
        ("unknown_field", "'bdy' is not a dataset field of the pipeline; did you mean 'body'?"),
        ("duplicate_field", "'review_id' occurs twice in the task"),
        ("missing_field", "is required, but the task does not have it"),
        ("invalid_integer", "'many' is not a whole number such as 42 or -7"),
        ("malformed_task", "'fields' must be an object; it is an array"),
        ("malformed_task", 'a task must be {"fields": {...}} and nothing else'),
        ("malformed_task", 'a task must be {"fields": {...}} and nothing else'),
        ("required", "is required, but the cell is empty"),
    ]
    assert problems_of(read_tasks(body, fields, LIMITS)) == [
        (1, "bdy", "unknown_field"),
        (1, "review_id", "duplicate_field"),
        (1, "body", "missing_field"),
        (1, "stars", "invalid_integer"),
        (2, None, "malformed_task"),
        (3, None, "malformed_task"),
        (4, None, "malformed_task"),
        (5, "body", "required"),
    ]


def test_a_pipeline_without_dataset_fields_gets_blank_tasks() -> None:
    assert values_of(body_of({}, {}), []) == ["{}", "{}"]
    assert problems_of(read_tasks(body_of({}, {"a": 1}), [], LIMITS)) == [(1, "a", "unknown_field")]


def test_reading_stops_after_a_hundred_problems() -> None:
    fields = fields_of(a="integer", b="integer", c="integer")
    rows = [{"a": 1, "b": 2, "c": 3}] * 300 + [{"a": "x", "b": "x", "c": "x"}] * 3_000
    read = read_tasks(body_of(*rows), fields, LIMITS)
    names = [(300 + number // 3, "abc"[number % 3], "invalid_integer") for number in range(100)]
    assert problems_of(read) == names
    assert (len(read.values), read.is_whole) == (3_300, False)
    many = read_tasks(body_of({f"unknown-{n}": 1 for n in range(400)}), fields, LIMITS)
    assert [len(many.bad), many.bad[99].problem.field, many.is_whole] == [100, "unknown-99", True]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"[]", "malformed_body", "it is an array"),
        (b"1.5", "malformed_body", "it is a number"),
        (b"{}", "malformed_body", "its members are none"),
        (b'{"tasks": [], "tsks": 1}', "malformed_body", "its members are 'tasks', 'tsks'"),
        (b'{"tasks": [], "tasks": []}', "malformed_body", "its members are 'tasks'"),
        (b'{"tasks": {}}', "malformed_body", "'tasks' is an object"),
        (b'{"tasks": null}', "malformed_body", "'tasks' is null"),
        (b'{"tasks": []}', "no_tasks", "the list of tasks is empty"),
        (b'{"tasks": [{"fields": {}}', "malformed_json", "the body is not JSON"),
    ],
)
def test_a_body_that_is_no_list_of_tasks_is_refused(body: bytes, code: str, message: str) -> None:
    with pytest.raises(MalformedBodyError) as caught:
        read_tasks(body, fields_of(a="text"), LIMITS)
    assert caught.value.code == code
    assert message in str(caught.value)


def test_no_more_than_5000_tasks_are_accepted() -> None:
    fields = fields_of(a="text")
    assert len(values_of(body_of(*[{"a": "x"}] * MAX_TASKS), fields)) == MAX_TASKS
    with pytest.raises(MalformedBodyError, match="the body holds more than 5,000 tasks"):
        read_tasks(body_of(*[{"a": "x"}] * (MAX_TASKS + 1)), fields, LIMITS)


def test_tasks_of_many_fields_may_have_a_number_of_values_together() -> None:
    fields, limits = fields_of(a="text", b="text"), Limits(max_request_values=9)
    row = {"a": "x", "b": "y"}
    assert read_tasks(body_of(*[row] * 4), fields, limits).bad == ()
    with pytest.raises(MalformedBodyError, match="more than 4 tasks, which is the most") as caught:
        read_tasks(body_of(*[row] * 5), fields, limits)
    assert caught.value.code == "too_many_tasks"
    unusual = json.dumps({"tasks": [{"fields": row, "other": 1}] * 5}).encode()
    with pytest.raises(MalformedBodyError, match="more than 4 tasks"):
        read_tasks(unusual, fields, limits)


def test_a_task_may_always_have_all_its_fields() -> None:
    fields, limits = fields_of(a="text", b="text"), Limits(max_request_values=1)
    assert read_tasks(body_of({"a": "x", "b": "y"}), fields, limits).bad == ()


@pytest.mark.parametrize(
    ("kind", "odd"),
    [("integer", '"7"'), ("number", '"1.50"'), ("boolean", '"true"'), ("date", '"2026-11-25"')],
)
@pytest.mark.parametrize("wrong", [0, 150, 299, None])
def test_strings_of_numbers_beside_documents_are_read_as_task_by_task(
    kind: str, odd: str, wrong: int | None
) -> None:
    fields = [*fields_of(a=kind, j="json"), field("integer", name="b", required=False, max="5")]
    tasks = [f'{{"fields":{{"a":{odd},"j":{{"n":1.0}},"b":5}}}}'] * 300
    if wrong is not None:
        tasks[wrong] = tasks[wrong].replace("5}}", "6}}")
    body = f'{{"tasks":[{",".join(tasks)}]}}'.encode()
    read = read_tasks(body, fields, Limits())
    assert problems_of(read) == ([] if wrong is None else [(wrong, "b", "above_maximum")])
    if wrong is None:
        assert_is_read_as_task_by_task(body, fields)


NUMBERS = ["0", "-0", "1", "-7", "1.50", "1e3", "-0.0", "9223372036854775807", "9" * 25, "1E-400"]
STRINGS = [
    "", "a", "5", "1.50", "true", "2026-11-25", "2026-11-25T08:00:00Z", "good", "good;bad", 'q"\\',
    "é:", "\x7f\n", "\x1b", "http://example.org/a", "a" * 41,
]  # fmt: skip
SCALARS = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(["null", "true", "false", "[]", '["good"]', "{}", '{"n":1.0}', '"\\u0000"']),
    st.sampled_from(STRINGS).map(json.dumps),
    st.sampled_from(STRINGS).map(lambda text: json.dumps(text, ensure_ascii=False)),
)
TEXTS = ['"a"', '"\\u00e9:"', '"é:"', '"q\\"\\\\"', '"\x7f\\n"', '"abcd"']
FITTING = {
    "text": TEXTS,
    "long_text": TEXTS,
    "integer": ["0", "1", "-7", "5", '"5"'],
    "number": ["0", "-0.0", "1.50", "1e3", "-0.5", '"1.50"'],
    "boolean": ["true", "false", '"true"'],
    "date": ['"2026-11-25"', '"2024-02-29"'],
    "datetime": ['"2026-11-25T08:00:00Z"', '"2024-02-29 23:59"'],
    "single_select": ['"good"', '"bad"'],
    "multi_select": ['["good"]', '"good;bad"'],
    "url": ['"http://example.org/a"', '"https://é.example/"'],
    "json": ['{"n":1.0}', "[]"],
}
"""Values that a field of the type accepts, if it has no constraints."""

NAMES = [["f0", "f1", "f2", "f3"], ["f0", "f:1", "f2", "f3"]]
OTHER_NAMES = st.sampled_from(["f0", "f1", "f2", "f3", "other", ":", "n", 'a"b'])
JOINS = st.sampled_from([",", " , ", ",\n"])
Kind = tuple[str, dict[str, Any]]
"""A type with constraints."""


@st.composite
def written_tasks(draw: st.DrawFn, kinds: list[Kind]) -> tuple[list[Field], bytes]:
    """Draw fields and tasks as text; half of the draws contain oddities of every kind."""
    names, required = draw(st.sampled_from(NAMES)), draw(st.booleans())
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))
    fields = [
        field(kind, required=required, **constraints).model_copy(update={"name": name})
        for name, (kind, constraints) in zip(names, chosen, strict=False)
    ]
    may_be_odd = draw(st.booleans())

    def is_odd(one_in: int) -> bool:
        return may_be_odd and draw(st.integers(1, one_in)) == 1

    tasks = []
    for _ in range(draw(st.integers(1, 4))):
        members = [
            (entry.name, draw(SCALARS if is_odd(8) else st.sampled_from(FITTING[entry.type])))
            for entry in fields
            if required or draw(st.integers(1, 4)) > 1
        ]
        if is_odd(6):
            members.append((draw(OTHER_NAMES), draw(SCALARS)))
        if is_odd(6) and members:
            members.pop(0)
        inside = draw(JOINS).join(f"{json.dumps(name)}: {value}" for name, value in members)
        odd = draw(st.sampled_from(["null", '{"fields":null}', "{}"])) if is_odd(8) else None
        tasks.append(odd or f'{{"fields":{{{inside}}}}}')
    return fields, f'{{"tasks":[{",".join(tasks)}]}}'.encode()


CONSTRAINED: list[Kind] = [
    ("text", {"min_length": 2, "max_length": 4}),
    ("text", {"pattern": "[a-z0-9]+"}),
    ("integer", {"min": "-7", "max": "5"}),
    ("integer", {"min": "1"}),
    ("number", {"min": "-0.5", "max": "1.50"}),
    ("date", {"max": "2026-11-24"}),
    ("url", {"max_length": 20}),
]


@pytest.mark.parametrize(
    "kinds",
    [
        [(kind, {}) for kind in FITTING],
        [(kind, {}) for kind in FITTING if kind not in ("json", "multi_select")],
        CONSTRAINED,
    ],
    ids=["all types", "types that are read quickly", "constraints"],
)
@settings(max_examples=400)
@given(st.data())
def test_the_fast_path_gives_the_same_result_as_reading_task_by_task(
    kinds: list[Kind], data: st.DataObject
) -> None:
    fields, body = data.draw(written_tasks(kinds))
    assert_is_read_as_task_by_task(body, fields)


def assert_is_read_as_task_by_task(body: bytes, fields: list[Field]) -> None:
    closely = CloseReader(fields, LIMITS)
    values = closely.read(list_tasks(body))
    read = read_tasks(body, fields, LIMITS)
    assert read.bad == tuple(closely.bad)
    if not closely.bad:
        assert read.values.to_pylist() == values.to_pylist()


@settings(max_examples=400)
@given(st.data())
def test_tasks_that_are_certain_are_right(data: st.DataObject) -> None:
    fields, body = data.draw(written_tasks([(kind, {}) for kind in FITTING]))
    typed = decode_tasks(body, fields)
    if typed is None or not are_certain(typed, body):
        return
    closely = CloseReader(fields, Limits())
    closely.read(list_tasks(body))
    assert closely.bad == []


@pytest.mark.parametrize("name", [":", ",", "]", "a:", "1", "true", '"', "\\", "é"])
def test_a_number_keeps_its_digits_for_any_field_name(name: str) -> None:
    fields = fields_of(**{name: "number", "b": "text"})
    row = f'{{{json.dumps(name)}: 1.50, "b": {json.dumps(json.dumps({name: 2.50}))}}}'
    body = f'{{"tasks":[{{"fields":{row}}},{{"fields":{row}}}]}}'.encode()
    expected = {name: "1.50", "b": json.dumps({name: 2.50})}
    read = [json.loads(value, parse_float=str) for value in values_of(body, fields)]
    assert read == [expected, expected]
