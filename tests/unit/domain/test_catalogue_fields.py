"""The fields of the catalogue file: names, types, constraints, and reasons for refusal."""

import pytest

from catalogue_texts import (
    IN_FIELD,
    PIPELINE,
    read,
    read_field,
    refusals,
)
from tasks_lib.domain.fields import CONSTRAINTS, Field, FieldType


def test_a_field_is_required_and_unconstrained_by_default() -> None:
    field = read_field("type: text, source: input")
    assert (field.required, field.constraints) == (True, {})


def test_the_twelve_field_types_are_those_of_the_contract() -> None:
    assert [kind.value for kind in FieldType] == [
        "text", "long_text", "integer", "number", "boolean", "date", "datetime", "single_select",
        "multi_select", "url", "json", "file",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "constraints"),
    [
        pytest.param(
            "type: integer, source: input, min: 1, max: 5", {"min": "1", "max": "5"}, id="integers"
        ),
        pytest.param(
            "type: number, source: input, min: 0.1, max: 1.0e+20",
            {"min": "0.1", "max": "1e+20"},
            id="numbers",
        ),
        pytest.param(
            "type: date, source: input, min: 2024-01-01, max: '2024-12-31'",
            {"min": "2024-01-01", "max": "2024-12-31"},
            id="dates",
        ),
        pytest.param(
            "type: datetime, source: input, min: 2024-01-01 10:00:00, max: 2024-01-01T12:00:00Z",
            {"min": "2024-01-01T10:00:00", "max": "2024-01-01T12:00:00+00:00"},
            id="datetimes",
        ),
        pytest.param(
            "type: text, source: input, min_length: 0, max_length: 9, pattern: '[a-z]+'",
            {"min_length": 0, "max_length": 9, "pattern": "[a-z]+"},
            id="texts",
        ),
        pytest.param(
            "type: url, source: input, min_length: 9, max_length: 9",
            {"min_length": 9, "max_length": 9},
            id="one length",
        ),
        pytest.param(
            "type: text, source: input, min_length: 9", {"min_length": 9}, id="no longest length"
        ),
        pytest.param(
            "type: number, source: input, min: 1e-999, max: 1e308",
            {"min": "1e-999", "max": "1e308"},
            id="the widest numbers",
        ),
        pytest.param(
            "type: multi_select, source: input, options: [a, ' b ', a;b]",
            {"options": ["a", " b ", "a;b"]},
            id="options",
        ),
        pytest.param(
            "type: file, source: dataset, max_bytes: 10, content_types: [image/png]",
            {"max_bytes": 10, "content_types": ["image/png"]},
            id="files",
        ),
    ],
)
def test_constraints_are_kept_as_json_values(settings: str, constraints: dict[str, object]) -> None:
    assert read_field(settings).constraints == constraints


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        pytest.param(
            "''",
            "field name '' must have 1 to 200 characters and no white space at its ends",
            id="empty",
        ),
        pytest.param(
            "' f'",
            "field name ' f' must have 1 to 200 characters and no white space at its ends",
            id="white space before it",
        ),
        pytest.param(
            '"f\\u00a0"',
            r"field name 'f\xa0' must have 1 to 200 characters and no white space at its ends",
            id="a no-break space after it",
        ),
        pytest.param(
            "x" * 201,
            f"field name '{'x' * 201}' must have 1 to 200 characters "
            "and no white space at its ends",
            id="too long",
        ),
        pytest.param(
            '"f\\u200bg"',
            "field name 'f<U+200B>g' (with U+200B zero width space) must not hold invisible "
            "characters",
            id="an invisible character",
        ),
        pytest.param(
            '"f\\ng"',
            "field name 'f<U+000A>g' (with U+000A control character) must not hold invisible "
            "characters",
            id="a line break",
        ),
        pytest.param(
            '"f\\u2800g"',
            "field name 'f<U+2800>g' (with U+2800 braille pattern blank) must not hold invisible "
            "characters",
            id="a Braille blank",
        ),
        pytest.param(
            '"\\u3164"',
            "field name '<U+3164>' (with U+3164 hangul filler) must not hold invisible characters",
            id="a Hangul filler",
        ),
        pytest.param(
            '"f\\ue000"',
            "field name 'f<U+E000>' (with U+E000 private use character) must not hold invisible "
            "characters",
            id="a private use character",
        ),
        pytest.param(
            "_row", "'_row' is reserved for the columns of a rejects file", id="reserved _row"
        ),
        pytest.param(
            "_errors",
            "'_errors' is reserved for the columns of a rejects file",
            id="reserved _errors",
        ),
    ],
)
def test_a_field_s_name_must_be_visible_and_not_reserved(name: str, mistake: str) -> None:
    text = PIPELINE % f"fields: [{{name: {name}, type: text, source: dataset}}]"
    assert refusals(text) == [f"{IN_FIELD}: {mistake}"]


@pytest.mark.parametrize("name", ["x", "x" * 200, "review id", "日本", "a/b", "7", "é😀", "_rows"])
def test_a_field_may_have_any_other_name(name: str) -> None:
    text = PIPELINE % f"fields: [{{name: '{name}', type: text, source: dataset}}]"
    assert read(text).organizations[0].projects[0].pipelines[0].fields[0].name == name


def unknown_constraint(constraint: str, kind: str, known: str) -> str:
    return f": field 'f': {constraint!r} is not known for type {kind!r}, only for {known}"


@pytest.mark.parametrize(
    ("settings", "mistakes"),
    [
        pytest.param("type: text", [".source: Field required"], id="no source"),
        pytest.param(
            "type: text, source: seed",
            [".source: Input should be 'dataset' or 'input'"],
            id="an unknown source",
        ),
        pytest.param(
            "type: varchar, source: input",
            [
                ".type: Input should be 'text', 'long_text', 'integer', 'number', 'boolean', "
                "'date', 'datetime', 'single_select', 'multi_select', 'url', 'json' or 'file'"
            ],
            id="an unknown type",
        ),
        pytest.param(
            "type: text, source: input, colour: red",
            [".colour: Extra inputs are not permitted"],
            id="an unknown setting",
        ),
        pytest.param(
            "type: text, source: input, required: maybe",
            [".required: Input should be a valid boolean, unable to interpret input"],
            id="required that is neither",
        ),
        pytest.param(
            "type: text, source: input, min: 1",
            [unknown_constraint("min", "text", "date, datetime, integer, number")],
            id="min of a text",
        ),
        pytest.param(
            "type: boolean, source: input, max: 1",
            [unknown_constraint("max", "boolean", "date, datetime, integer, number")],
            id="max of a boolean",
        ),
        pytest.param(
            "type: integer, source: input, min_length: 1",
            [unknown_constraint("min_length", "integer", "long_text, text, url")],
            id="min_length of an integer",
        ),
        pytest.param(
            "type: json, source: input, max_length: 1",
            [unknown_constraint("max_length", "json", "long_text, text, url")],
            id="max_length of JSON",
        ),
        pytest.param(
            "type: date, source: input, pattern: a",
            [unknown_constraint("pattern", "date", "long_text, text, url")],
            id="pattern of a date",
        ),
        pytest.param(
            "type: text, source: input, options: [a]",
            [unknown_constraint("options", "text", "multi_select, single_select")],
            id="options of a text",
        ),
        pytest.param(
            "type: text, source: input, max_bytes: 1",
            [unknown_constraint("max_bytes", "text", "file")],
            id="max_bytes of a text",
        ),
        pytest.param(
            "type: url, source: input, content_types: [a]",
            [unknown_constraint("content_types", "url", "file")],
            id="content_types of a URL",
        ),
        pytest.param(
            "type: single_select, source: input",
            [": field 'f': type 'single_select' needs 'options'"],
            id="a select without options",
        ),
        pytest.param(
            "type: multi_select, source: input, options: []",
            [": field 'f': type 'multi_select' needs 'options'"],
            id="a select with no options",
        ),
        pytest.param(
            "type: single_select, source: input, options: [a, b, a]",
            [": field 'f': options must be different and not empty"],
            id="an option twice",
        ),
        pytest.param(
            "type: single_select, source: input, options: [a, '']",
            [": field 'f': options must be different and not empty"],
            id="an empty option",
        ),
        pytest.param(
            "type: single_select, source: input, options: [yes, 2]",
            [
                ".options.0: Input should be a valid string",
                ".options.1: Input should be a valid string",
            ],
            id="options that YAML reads as something else",
        ),
        pytest.param(
            "type: text, source: input, pattern: '('",
            [
                ": field 'f': pattern '(' is not a regular expression: "
                "missing ), unterminated subpattern at position 0"
            ],
            id="a pattern that is none",
        ),
        pytest.param(
            "type: text, source: input, pattern: '[[a]'",
            [
                ": field 'f': pattern '[[a]' is not a regular expression: "
                "Possible nested set at position 1"
            ],
            id="a pattern that Python warns of",
        ),
        pytest.param(
            "type: url, source: input, pattern: 'a[a--b]'",
            [
                ": field 'f': pattern 'a[a--b]' is not a regular expression: "
                "Possible set difference at position 3"
            ],
            id="a pattern of a URL that Python warns of",
        ),
        pytest.param(
            "type: text, source: input, pattern: 'a{4294967295}'",
            [
                ": field 'f': pattern 'a{4294967295}' is not a regular expression: "
                "the repetition number is too large"
            ],
            id="a pattern that repeats too often",
        ),
        pytest.param(
            "type: text, source: input, min_length: -1",
            [".min_length: Input should be greater than or equal to 0"],
            id="a negative length",
        ),
        pytest.param(
            "type: text, source: input, max_length: 0",
            [".max_length: Input should be greater than or equal to 1"],
            id="no length",
        ),
        pytest.param(
            "type: text, source: input, min_length: 5, max_length: 2",
            [": field 'f': min_length 5 is above max_length 2"],
            id="lengths of a text crossed",
        ),
        pytest.param(
            "type: long_text, source: input, min_length: 2, max_length: 1",
            [": field 'f': min_length 2 is above max_length 1"],
            id="lengths of a long text crossed",
        ),
        pytest.param(
            "type: url, source: dataset, min_length: 11, max_length: 10",
            [": field 'f': min_length 11 is above max_length 10"],
            id="lengths of a URL crossed",
        ),
        pytest.param(
            "type: file, source: input, max_bytes: 0",
            [".max_bytes: Input should be greater than or equal to 1"],
            id="no bytes",
        ),
        pytest.param(
            "type: integer, source: input, min: true",
            [".min: Input should be a valid string"],
            id="a boolean as a bound",
        ),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(settings: str, mistakes: list[str]) -> None:
    text = PIPELINE % f"fields: [{{name: f, {settings}}}]"
    assert refusals(text) == [f"{IN_FIELD}{mistake}" for mistake in mistakes]


def test_every_constraint_is_a_setting_of_a_field() -> None:
    assert set(Field.model_fields) - set(CONSTRAINTS) == {"name", "type", "source", "required"}
