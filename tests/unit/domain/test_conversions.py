"""A source's JSON values, spelled as cells of a field and read by the one rule for values."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.mapping.conversions import (
    FITS,
    Column,
    as_seeded,
    cell_of,
    fits,
    seeded_reader_of,
)
from tasks_lib.domain.rows.json_rows import json_text, parse_row, parse_value
from tasks_lib.domain.values.problem import ValueProblemError

FILE = (
    '{"uri":"local://ab/cd","name":"é.png","size":2048,"sha256":"abcd","content_type":"image/png"}'
)


def field(kind: str, **constraints: object) -> Field:
    if kind.endswith("select"):
        constraints.setdefault("options", ["good", "bad", "so;so", "1", "true", "2026-01-01"])
    return Field.model_validate({"name": "f", "type": kind, "source": "dataset", **constraints})


def stored_value(source: str, target: Field, value: str, path: str | None = None) -> str:
    """Return the text that the field stores for a column ``c`` with this JSON value."""
    cell = cell_of(Column("c", FieldType(source)), path, target)(parse_row(f'{{"c":{value}}}'))
    return seeded_reader_of(target)(cell)


def refusal(source: str, target: Field, value: str, path: str | None = None) -> tuple[str, str]:
    with pytest.raises(ValueProblemError) as caught:
        stored_value(source, target, value, path)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        pytest.param("text", "text", '" 001\\n"', '" 001\\n"', id="text as it is"),
        pytest.param("text", "integer", '"42"', "42", id="text that is an integer"),
        pytest.param("text", "number", '"1.50"', "1.50", id="text that is a number"),
        pytest.param("text", "boolean", '"Yes"', "true", id="text that is a boolean"),
        pytest.param("text", "date", '"2026-01-01"', '"2026-01-01"', id="text that is a date"),
        pytest.param("text", "multi_select", '"good;bad"', '["good","bad"]', id="text of options"),
        pytest.param("text", "json", '"[1, 2.0]"', "[1, 2.0]", id="text that is a document"),
        pytest.param("integer", "text", "12345678901234567890", '"12345678901234567890"',
                     id="every digit of an integer"),
        pytest.param("integer", "number", "7", "7", id="integer to number"),
        pytest.param("integer", "boolean", "1", "true", id="one is true"),
        pytest.param("integer", "single_select", "1", '"1"', id="integer that is an option"),
        pytest.param("integer", "multi_select", "1", '["1"]', id="integer as the one option"),
        pytest.param("integer", "json", "7", "7", id="integer to JSON"),
        pytest.param("number", "number", "1.50", "1.50", id="a number's last zero"),
        pytest.param("number", "text", "1E+2", '"1E+2"', id="a number as it was written"),
        pytest.param("number", "integer", "42", "42", id="number that is an integer"),
        pytest.param("number", "json", "1.50", "1.50", id="number to JSON"),
        pytest.param("boolean", "text", "true", '"true"', id="boolean to text"),
        pytest.param("boolean", "boolean", "false", "false", id="boolean"),
        pytest.param("boolean", "single_select", "true", '"true"', id="boolean as an option"),
        pytest.param("boolean", "json", "false", "false", id="boolean to JSON"),
        pytest.param("date", "text", '"2026-01-01"', '"2026-01-01"', id="date to text"),
        pytest.param("date", "json", '"2026-01-01"', '"2026-01-01"', id="date to a JSON string"),
        pytest.param("date", "multi_select", '"2026-01-01"', '["2026-01-01"]', id="date as option"),
        pytest.param("single_select", "long_text", '"so;so"', '"so;so"', id="option to text"),
        pytest.param("single_select", "multi_select", '"so;so"', '["so;so"]',
                     id="one option with a separator in it"),
        pytest.param("single_select", "json", '"good"', '"good"', id="option to a JSON string"),
        pytest.param("single_select", "integer", '"1"', "1", id="option that is an integer"),
        pytest.param("multi_select", "multi_select", '["so;so","bad"]', '["so;so","bad"]',
                     id="options"),
        pytest.param("multi_select", "json", '["good"]', '["good"]', id="options to JSON"),
        pytest.param("url", "text", '"https://a.b/c"', '"https://a.b/c"', id="URL to text"),
        pytest.param("json", "json", '{"a": [1.50, null, "é", true]}',
                     '{"a":[1.50,null,"é",true]}', id="JSON keeps its digits"),
        pytest.param("json", "json", '""', '""', id="an empty string is JSON"),
        pytest.param("json", "multi_select", '["good","bad"]', '["good","bad"]',
                     id="array of strings"),
        pytest.param("file", "file", FILE, FILE, id="file to the letter"),
    ],
)  # fmt: skip
def test_a_value_keeps_its_meaning(source: str, target: str, value: str, expected: str) -> None:
    assert fits(FieldType(source), FieldType(target))
    assert stored_value(source, field(target), value) == expected


@pytest.mark.parametrize(
    ("source", "target"), [("text", "text"), ("json", "json"), ("file", "file"), ("date", "json"),
                           ("integer", "boolean"), ("boolean", "multi_select")]
)  # fmt: skip
def test_null_is_an_empty_cell(source: str, target: str) -> None:
    required = ("required", "is required, but the cell is empty")
    assert stored_value(source, field(target, required=False), "null") == "null"
    assert refusal(source, field(target), "null") == required


def test_a_column_that_a_row_lacks_is_null() -> None:
    column = Column("c", FieldType.TEXT)
    assert cell_of(column, None, field("text"))({}) == ""


def test_a_whole_number_that_a_caller_adds_is_a_number() -> None:
    column = Column("id", FieldType.INTEGER)
    assert cell_of(column, None, field("integer"))({"id": 7}) == "7"
    assert cell_of(column, None, field("json"))({"id": 7}) == "7"
    assert cell_of(column, None, field("multi_select"))({"id": 1}) == '["1"]'


def test_a_document_that_is_too_deep_is_a_problem_of_its_row() -> None:
    deep = "[" * 900 + "]" * 900
    code, message = refusal("json", field("json"), deep)
    assert code == "invalid_json"
    assert "nested" in message


@pytest.mark.parametrize(
    ("source", "target", "value"),
    [
        pytest.param("text", "text", '""', id="empty string"),
        pytest.param("single_select", "multi_select", '""', id="empty option"),
        pytest.param("multi_select", "multi_select", "[]", id="no options"),
        pytest.param("json", "multi_select", "[]", id="empty array for options"),
    ],
)
def test_a_value_without_content_is_an_empty_cell(source: str, target: str, value: str) -> None:
    assert stored_value(source, field(target, required=False), value) == "null"


@pytest.mark.parametrize(
    ("source", "target", "value", "code", "message"),
    [
        pytest.param("number", "integer", "1.5", "invalid_integer",
                     "'1.5' is not a whole number such as 42 or -7: it has decimals",
                     id="number with a fraction"),
        pytest.param("integer", "boolean", "2", "invalid_boolean",
                     "'2' is not true or false (nor yes/no, y/n, t/f, 1/0)",
                     id="two is no boolean"),
        pytest.param("single_select", "multi_select", '"nope"', "not_an_option",
                     "'nope' is not one of the options "
                     "(good, bad, so;so, 1, true, 2026-01-01)", id="no option"),
        pytest.param("json", "multi_select", '{"a":1}', "wrong_type",
                     "column 'c' holds an object, which a field of type multi_select does not "
                     "take; a JSONPath may pick one that it takes", id="object"),
        pytest.param("json", "multi_select", "[1]", "wrong_type",
                     "column 'c' holds an array, which a field of type multi_select does not "
                     "take; a JSONPath may pick one that it takes", id="array of numbers"),
        pytest.param("text", "text", '{"a":1}', "wrong_type",
                     "column 'c' holds an object, which a field of type text does not take",
                     id="object in a text column"),
        pytest.param("file", "file", '{"uri":"x"}', "wrong_type",
                     "column 'c' holds an object, which a field of type file does not take",
                     id="object that is no file"),
        pytest.param("file", "file", FILE.replace("2048", '"2048"'), "wrong_type",
                     "column 'c' holds an object, which a field of type file does not take",
                     id="file whose size is a text"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused(
    source: str, target: str, value: str, code: str, message: str
) -> None:
    assert refusal(source, field(target), value) == (code, message)


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        pytest.param({"max_bytes": 2047},
                     ("file_too_large", "'é.png' has 2,048 bytes, 2,047 are allowed"), id="size"),
        pytest.param({"content_types": ["image/jpeg", "text/*"]},
                     ("content_type_not_allowed",
                      "'é.png' is image/png; allowed are image/jpeg, text/*"), id="type"),
    ],
)  # fmt: skip
def test_a_file_must_meet_the_constraints_of_the_field(
    constraints: dict[str, object], expected: tuple[str, str]
) -> None:
    assert refusal("file", field("file", **constraints), FILE) == expected


def test_a_file_within_the_constraints_is_accepted() -> None:
    target = field("file", max_bytes=2048, content_types=["image/*"])
    assert stored_value("file", target, FILE) == FILE


DOCUMENT = '{"n":1.50,"i":7,"t":true,"s":"good","z":null,"e":"","o":{"k":"v"},"l":["good","bad"]}'


@pytest.mark.parametrize(
    ("path", "target", "expected"),
    [
        pytest.param("$.n", "number", "1.50", id="number with its digits"),
        pytest.param("$.n", "text", '"1.50"', id="number to text"),
        pytest.param("$.i", "integer", "7", id="integer"),
        pytest.param("$.t", "boolean", "true", id="boolean"),
        pytest.param("$.s", "single_select", '"good"', id="option"),
        pytest.param("$.s", "json", '"good"', id="string to JSON"),
        pytest.param("$.e", "json", '""', id="empty string to JSON"),
        pytest.param("$.s", "multi_select", '["good"]', id="string to options"),
        pytest.param("$.l", "multi_select", '["good","bad"]', id="array to options"),
        pytest.param("$.o", "json", '{"k":"v"}', id="object to JSON"),
        pytest.param("$.l[?@ != 'bad']", "text", '"good"', id="filter that leaves one"),
        pytest.param("$..k", "text", '"v"', id="descendant"),
    ],
)
def test_a_path_picks_a_value_of_its_own_kind(path: str, target: str, expected: str) -> None:
    assert stored_value("json", field(target), DOCUMENT, path) == expected


@pytest.mark.parametrize(
    ("path", "target", "code", "message"),
    [
        pytest.param("$.x.y", "text", "path_no_match", "$.x.y finds nothing in column 'c'",
                     id="nothing"),
        pytest.param("$.l[*]", "text", "path_several_matches",
                     "$.l[*] finds 2 values in column 'c', but one is needed", id="several"),
        pytest.param("$.o", "text", "path_wrong_type",
                     "$.o finds an object in column 'c', which a field of type text does not take",
                     id="object for a text"),
        pytest.param("$.t", "date", "path_wrong_type",
                     "$.t finds a boolean in column 'c', which a field of type date does not take",
                     id="boolean for a date"),
        pytest.param("$.i", "url", "path_wrong_type",
                     "$.i finds a number in column 'c', which a field of type url does not take",
                     id="number for a URL"),
        pytest.param("$.o", "multi_select", "path_wrong_type",
                     "$.o finds an object in column 'c', which a field of type multi_select does "
                     "not take", id="object for options"),
        pytest.param("$.z", "text", "required", "is required, but the cell is empty", id="null"),
        pytest.param("$.e", "text", "required", "is required, but the cell is empty", id="empty"),
        pytest.param("$.s", "integer", "invalid_integer",
                     "'good' is not a whole number such as 42 or -7", id="text for an integer"),
    ],
)  # fmt: skip
def test_a_path_that_finds_no_fitting_value_is_refused(
    path: str, target: str, code: str, message: str
) -> None:
    assert refusal("json", field(target), DOCUMENT, path) == (code, message)


@pytest.mark.parametrize("document", [DOCUMENT, "null", '"text"', "7", "[]"])
def test_a_path_that_finds_nothing_leaves_an_optional_field_empty(document: str) -> None:
    assert stored_value("json", field("text", required=False), document, "$.x") == "null"


def test_several_values_are_refused_for_an_optional_field_too() -> None:
    problem = refusal("json", field("text", required=False), DOCUMENT, "$.l[*]")
    assert problem[0] == "path_several_matches"


def test_the_table_covers_every_type() -> None:
    assert set(FITS) == set(FieldType)
    assert all(kind in FITS[kind] for kind in FieldType)


@pytest.mark.parametrize(
    ("source", "targets"),
    [
        pytest.param("boolean", "integer number date datetime url file", id="boolean"),
        pytest.param("date", "integer number boolean datetime url file", id="date"),
        pytest.param("datetime", "integer number boolean date url file", id="datetime"),
        pytest.param("integer", "date datetime url file", id="integer"),
        pytest.param("number", "boolean date datetime url file", id="number"),
        pytest.param("url", "integer number boolean date datetime file", id="url"),
        pytest.param("text", "file", id="text"),
        pytest.param("long_text", "file", id="long text"),
        pytest.param("single_select", "file", id="single select"),
        pytest.param("multi_select", "text long_text integer number boolean date datetime url "
                     "single_select file", id="multi select"),
        pytest.param("json", "text long_text integer number boolean date datetime url "
                     "single_select file", id="json"),
        pytest.param("file", "text long_text integer number boolean date datetime url "
                     "single_select multi_select json", id="file"),
    ],
)  # fmt: skip
def test_a_type_fits_none_of_these_targets(source: str, targets: str) -> None:
    never = {kind.value for kind in FieldType if not fits(FieldType(source), kind)}
    assert never == set(targets.split())


@pytest.mark.parametrize("kind", FieldType)
def test_a_path_may_fill_every_type_but_a_file(kind: FieldType) -> None:
    assert fits(FieldType.JSON, kind, has_path=True) == (kind is not FieldType.FILE)


def test_an_input_is_seeded_as_optional_and_a_dataset_field_as_declared() -> None:
    answer = Field.model_validate({"name": "f", "type": "text", "source": "input"})
    assert as_seeded(answer).required is False
    assert as_seeded(field("text")) == field("text")


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?", fullmatch=True)


@given(st.text(min_size=1))
def test_a_text_goes_into_a_text_unchanged(text: str) -> None:
    assert stored_value("text", field("text"), json_text(text)) == json_text(text)


@given(NUMBERS, st.sampled_from(["text", "number", "json"]))
def test_a_number_keeps_its_digits(number: str, target: str) -> None:
    assert stored_value("number", field(target), number).strip('"') == number


@given(NUMBERS)
def test_a_number_survives_conversion_to_text_and_back(number: str) -> None:
    text = stored_value("number", field("text"), number)
    assert Decimal(stored_value("text", field("number"), text)) == Decimal(number)


@given(
    st.sampled_from([kind for kind in FieldType if kind is not FieldType.FILE]),
    st.sampled_from(list(FieldType)),
    st.sampled_from(['"x"', "7", "1.5", "true", "null", '{"a":1}', '["good"]', "[1]", FILE]),
)
def test_every_value_is_stored_or_refused_with_a_code(
    source: FieldType, kind: FieldType, value: str
) -> None:
    if fits(source, kind):
        with suppress(ValueProblemError):
            parse_value(stored_value(source, field(kind), value))


@pytest.mark.parametrize("source", ["text", "long_text"])
@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        (r'"{\"a\":{\"t\":\"x\"}}"', "$.a.t", '"x"'),
        (r'"[1, 2.50]"', "$[1]", '"2.50"'),
        (r'"{}"', "$.a", "null"),
        ("null", "$.a", "null"),
        ('""', "$.a", "null"),
    ],
)
def test_a_jsonpath_reads_a_text_that_holds_json(
    source: str, value: str, path: str, expected: str
) -> None:
    assert stored_value(source, field("text", required=False), value, path) == expected


@pytest.mark.parametrize("value", ['"x"', r'"{\"a\":1,\"a\":2}"', '"[NaN]"'])
def test_a_text_that_is_no_json_is_a_problem_of_a_jsonpath(value: str) -> None:
    shown = repr(parse_value(value))
    assert refusal("text", field("text"), value, "$.a") == (
        "invalid_json", f"column 'c' holds {shown}, which is not JSON, as $.a needs"
    )  # fmt: skip
