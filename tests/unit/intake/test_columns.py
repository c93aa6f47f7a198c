"""The check of whole columns agrees with the rule for one value."""

from collections.abc import Sequence
from json.encoder import encode_basestring
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from cells import read_value
from near_cells import CONSTRAINED, NEAR, cells, field, fields, layouts, options_of, texts
from tasks_lib.domain.fields import Field
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem
from tasks_lib.intake.rows.columns import FieldProblem, shape_of


def problem(position: int, code: str, message: str, name: str = "f") -> FieldProblem:
    return FieldProblem(position, Problem(code, message, field=name))


Answer = tuple[list[str | None], list[FieldProblem]]
"""The JSON object of each row, None where the row has a problem; and the problems."""


def one_by_one(fields: Sequence[Field], columns: Sequence[Sequence[str]]) -> Answer:
    """Apply the rule to each value: the specification of ``shape_of``."""
    problems = []
    fragments: list[list[str]] = []
    for entry, column in zip(fields, columns, strict=True):
        fragments.append([])
        for position, text in enumerate(column):
            try:
                fragment = read_value(entry, text)
            except ValueProblemError as error:
                fragment = "null"
                problems.append(problem(position, error.code, str(error), entry.name))
            fragments[-1].append(f"{encode_basestring(entry.name)}:{fragment}")
    bad = {each.position for each in problems}
    rows = ["{" + ",".join(parts) + "}" for parts in zip(*fragments, strict=True)]
    return [None if at in bad else row for at, row in enumerate(rows)], problems


def at_once(fields: Sequence[Field], columns: Sequence[pa.Array]) -> Answer:
    shaped = shape_of(fields)(columns)
    assert shaped.values.type == pa.string()
    assert shaped.values.null_count == 0
    bad = {each.position for each in shaped.problems}
    values = shaped.values.to_pylist()
    return [None if at in bad else row for at, row in enumerate(values)], shaped.problems


@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
@pytest.mark.parametrize(
    ("kind", "constraints"),
    [(kind, constraints) for kind in NEAR for constraints in [{}, *CONSTRAINED[kind]]],
    ids=str,
)
def test_near_spellings_get_the_same_result_at_once_as_one_by_one(
    kind: str, constraints: dict[str, Any], required: bool
) -> None:
    entry = field(kind, required=required, **options_of(kind), **constraints)
    expected = one_by_one([entry], [NEAR[kind]])
    assert at_once([entry], [texts(*NEAR[kind])]) == expected
    good = [cell for cell, row in zip(NEAR[kind], expected[0], strict=True) if row is not None]
    assert at_once([entry], [texts(*good)]) == one_by_one([entry], [good])


@pytest.mark.parametrize("kind", NEAR)
@given(data=st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_column_gets_the_same_result_at_once_as_its_values_one_by_one(
    kind: str, data: st.DataObject
) -> None:
    entry = data.draw(fields(kind))
    column = data.draw(st.lists(cells(kind), max_size=8))
    array = data.draw(layouts(column))
    assert at_once([entry], [array]) == one_by_one([entry], [column])


NAMES = ["a", 'b "quoted"', "c\\d", "é 😀", "_e"]


@given(data=st.data(), rows=st.integers(0, 150), order=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_many_columns_make_the_same_objects_at_once_as_one_by_one(
    data: st.DataObject, rows: int, order: Random
) -> None:
    types = data.draw(st.lists(st.sampled_from(list(NEAR)), min_size=1, max_size=len(NAMES)))
    entries = [data.draw(fields(kind, name)) for kind, name in zip(types, NAMES, strict=False)]
    pools = [data.draw(st.lists(cells(kind), min_size=1, max_size=4)) for kind in types]
    columns = [order.choices(pool, k=rows) for pool in pools]
    arrays = [data.draw(layouts(column)) for column in columns]
    assert at_once(entries, arrays) == one_by_one(entries, columns)


@pytest.mark.parametrize(
    ("entry", "cell", "fragment"),
    [
        pytest.param(field("text"), "plain", '"plain"', id="text"),
        pytest.param(field("text"), "001", '"001"', id="text of digits"),
        pytest.param(field("text"), " padded ", '" padded "', id="white space stays"),
        pytest.param(field("text"), "NA", '"NA"', id="NA is a text"),
        pytest.param(field("text"), 'say "hi"', r'"say \"hi\""', id="quotes"),
        pytest.param(field("text"), "back\\slash", r'"back\\slash"', id="backslash"),
        pytest.param(field("text"), "a\r\nb\t", r'"a\r\nb\t"', id="line break and tab"),
        pytest.param(field("text"), "\x00\x01\x1f", r'"\u0000\u0001\u001f"', id="controls"),
        pytest.param(field("text"), "\x7f\x85", '"\x7f\x85"', id="DEL and C1 stay"),
        pytest.param(field("text"), "日本 😀", '"日本 😀"', id="beyond ASCII, and the BMP"),
        pytest.param(field("text", required=False), "", "null", id="empty text"),
        pytest.param(field("integer"), "-42", "-42", id="integer"),
        pytest.param(field("integer", min=1, max=5), "5", "5", id="integer on its bound"),
        pytest.param(
            field("integer"), "9223372036854775807", "9223372036854775807", id="largest integer"
        ),
        pytest.param(field("number"), "1.10", "1.10", id="number"),
        pytest.param(field("number"), "1e5", "1e5", id="number with exponent"),
        pytest.param(field("number", required=False), "", "null", id="no number"),
        pytest.param(field("boolean"), "Yes", "true", id="boolean"),
        pytest.param(field("date"), "2024-02-29", '"2024-02-29"', id="date"),
        pytest.param(field("datetime"), "2024-02-28 10:00", '"2024-02-28 10:00"', id="datetime"),
        pytest.param(field("url"), 'https://e.com/"', r'"https://e.com/\""', id="URL with quote"),
        pytest.param(field("json"), '{"a":\n[1.10]}', '{"a": [1.10]}', id="JSON"),
        pytest.param(field("json"), r'"\\u0000"', r'"\\u0000"', id="JSON of an escaped backslash"),
        pytest.param(field("json", required=False), " null\n", " null ", id="JSON null"),
        pytest.param(field("number"), "1e-999", "1e-999", id="number with the longest exponent"),
        pytest.param(
            field("single_select", options=['q"q']), 'q"q', r'"q\"q"', id="option with quote"
        ),
        pytest.param(
            field("multi_select", options=["a", "b"]), "b;a", '["b","a"]', id="two options"
        ),
    ],
)
def test_a_good_cell_becomes_a_member_of_the_row_s_object(
    entry: Field, cell: str, fragment: str
) -> None:
    assert at_once([entry], [texts(cell)]) == (['{"f":' + fragment + "}"], [])


@pytest.mark.parametrize("kind", NEAR)
def test_no_rows_make_no_objects_and_no_problems(kind: str) -> None:
    entry = field(kind, **options_of(kind))
    assert at_once([entry, field("text", "g")], [texts(), texts()]) == ([], [])


@pytest.mark.parametrize("kind", NEAR)
def test_an_empty_slice_of_a_column_has_no_rows(kind: str) -> None:
    assert at_once([field(kind, **options_of(kind))], [texts('"junk', "x").slice(1, 0)]) == ([], [])


def test_every_cell_of_a_column_without_good_ones_is_a_problem() -> None:
    message = "is not a whole number such as 42 or -7"
    assert at_once([field("integer")], [texts("x", "", "x")]) == (
        [None, None, None],
        [
            problem(0, "invalid_integer", f"'x' {message}"),
            problem(1, "required", "is required, but the cell is empty"),
            problem(2, "invalid_integer", f"'x' {message}"),
        ],
    )


RANGE = "is outside the range of a 64-bit number"


@pytest.mark.parametrize(
    ("entry", "cell", "code", "message"),
    [
        pytest.param(
            field("number"), "1e-99999999999999999999",
            "invalid_number", f"'1e-99999999999999999999' {RANGE}", id="number out of range",
        ),
        pytest.param(
            field("number", max=0), "0e99999999999999999999",
            "invalid_number", f"'0e99999999999999999999' {RANGE}", id="zero out of range",
        ),
        pytest.param(
            field("json"), "[1e999]", "invalid_json",
            f"'[1e999]' is not valid JSON: the number '1e999' {RANGE}", id="JSON out of range",
        ),
        pytest.param(
            field("json"), "null",
            "required", "is required, but the cell says null", id="JSON null",
        ),
        pytest.param(
            field("json"), r'"\\\u0000"', "invalid_json",
            r"""'"\\\\\\u0000"' holds a NUL character""", id="JSON with a NUL",
        ),
        pytest.param(
            field("multi_select", required=False, options=["a"]), "[]", "not_an_option",
            "'[]' names no option; leave the cell empty for that", id="no options",
        ),
        pytest.param(
            field("date"), "2023-02-29",
            "invalid_date", "'2023-02-29' is not a day in the calendar", id="no day",
        ),
        pytest.param(
            field("datetime"), "2024-01-01T10:00+24:00", "invalid_datetime",
            "'2024-01-01T10:00+24:00' is not a date and time like 2026-11-23T13:45:00Z: '+24:00' "
            "is not an offset such as Z or +01:00",
            id="no offset",
        ),
        pytest.param(
            field("url"), "https://e.com/\x01", "invalid_url",
            r"'https://e.com/\x01' is not an absolute URL such as https://example.com/a",
            id="control character",
        ),
    ],
)  # fmt: skip
def test_a_bad_cell_is_a_problem_of_its_row(
    entry: Field, cell: str, code: str, message: str
) -> None:
    assert at_once([entry], [texts(cell)]) == ([None], [problem(0, code, message)])


def test_an_empty_cell_of_an_optional_field_is_null_among_texts() -> None:
    entry = field("text", required=False)
    column = texts("a", "", 'say "hi"')
    assert at_once([entry], [column]) == (['{"f":"a"}', '{"f":null}', r'{"f":"say \"hi\""}'], [])


def test_problems_come_column_by_column_and_leave_the_other_rows_whole() -> None:
    entries = [field("integer", "stars", min=1, max=5), field("text", "body")]
    columns = [texts("6", "5", "4"), texts("a", "b", "")]
    assert at_once(entries, columns) == (
        [None, '{"stars":5,"body":"b"}', None],
        [
            problem(0, "above_maximum", "'6' is above the maximum 5", "stars"),
            problem(2, "required", "is required, but the cell is empty", "body"),
        ],
    )


def test_a_row_with_two_bad_cells_has_two_problems() -> None:
    entries = [field("boolean", "a"), field("boolean", "b")]
    assert at_once(entries, [texts("x"), texts("y!")]) == (
        [None],
        [
            problem(
                0, "invalid_boolean", "'x' is not true or false (nor yes/no, y/n, t/f, 1/0)", "a"
            ),
            problem(
                0, "invalid_boolean", "'y!' is not true or false (nor yes/no, y/n, t/f, 1/0)", "b"
            ),
        ],
    )


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        pytest.param(texts("a", "b", '"').slice(2), [r'{"f":"\""}'], id="a quote behind its start"),
        pytest.param(texts('"', "b", "c").slice(1), ['{"f":"b"}', '{"f":"c"}'], id="before it"),
        pytest.param(texts("a", "b", '"').slice(0, 2), ['{"f":"a"}', '{"f":"b"}'], id="after it"),
    ],
)
def test_only_the_cells_of_a_slice_are_escaped(column: pa.Array, rows: list[str | None]) -> None:
    assert at_once([field("text")], [column]) == (rows, [])


def test_positions_count_from_the_start_of_a_slice() -> None:
    column = texts("1", "x", "2", "y", "3").slice(1, 3)
    message = "is not a whole number such as 42 or -7"
    assert at_once([field("integer")], [column]) == (
        [None, '{"f":2}', None],
        [
            problem(0, "invalid_integer", f"'x' {message}"),
            problem(2, "invalid_integer", f"'y' {message}"),
        ],
    )


def test_the_names_of_fields_are_escaped_as_keys() -> None:
    entries = [field("integer", 'a "b"'), field("text", "c\\d"), field("boolean", "é")]
    assert at_once(entries, [texts("1"), texts("x"), texts("no")]) == (
        [r'{"a \"b\"":1,"c\\d":"x","é":false}'],
        [],
    )


def test_columns_that_do_not_match_the_fields_in_number_are_refused() -> None:
    with pytest.raises(ValueError, match=r"zip\(\) argument 3 is shorter than arguments 1-2"):
        shape_of([field("text", "a"), field("text", "b")])([texts("x")])
