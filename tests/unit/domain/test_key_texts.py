"""A key is the same text for equal values, and another one for different values."""

import json

import pytest
from hypothesis import given, strategies as st

from catalogue_texts import IN_PIPELINE, PIPELINE, read_pipeline, refusals
from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.rows.keys import (
    KEY_TYPES,
    MAX_KEY_CHARACTERS,
    NoKeyError,
    describe_key,
    key_of,
    same_values,
)

FIELDS = "fields: [{name: f, type: %s, source: %s}]"


def read(kind: FieldType, *texts: str) -> list[str]:
    """Return the keys of tasks whose only field has these JSON values."""
    options = ("a", "b") if kind is FieldType.SINGLE_SELECT else None
    key = key_of([Field(name="f", type=kind, source="dataset", options=options)], ["f"])
    return [key(f'{{"f":{text}}}') for text in texts]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("integer", ["5"]),
        ("number", ["5", "5.0", "5.00", "50e-1", "0.5e1", "5E0"]),
        ("number", ["0", "0.0", "-0", "0e7"]),
        ("number", ["-1200", "-1.2e3", "-12E2"]),
        ("datetime", ['"2026-11-23T13:45Z"', '"2026-11-23 13:45:00.000Z"']),
        ("datetime", ['"2026-11-23T13:45:00Z"', '"2026-11-23T14:45+01:00"']),
        ("datetime", ['"9999-12-31T23:59:00-01:00"', '"9999-12-31T23:59-01:00"']),
        ("text", ['"a"', '"\\u0061"']),
    ],
)
def test_equal_values_have_the_same_key(kind: str, texts: list[str]) -> None:
    assert len(set(read(FieldType(kind), *texts))) == 1


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("text", ['"001"', '"1"', '" 1"', '"1 "', '"1.0"']),
        ("text", ['"e\u0301"', '"\u00e9"', '"E"', '"e"']),
        ("integer", ["9223372036854775807", "9223372036854775806", "-9223372036854775808"]),
        (
            "number",
            ["12345678901234567890.1", "12345678901234567890.2", "1e300", "1e301", "5", "-5", "0"],
        ),
        ("boolean", ["true", "false"]),
        ("date", ['"2026-11-23"', '"2026-11-24"']),
        ("datetime", ['"2026-11-23T13:45"', '"2026-11-23T13:45Z"', '"2026-11-23T13:45+01:00"']),
        ("datetime", ['"2026-11-23T13:45:00.000000001Z"', '"2026-11-23T13:45:00.000000002Z"']),
        ("single_select", ['"a"', '"b"']),
        ("url", ['"https://a/"', '"https://a"']),
    ],
)
def test_different_values_have_different_keys(kind: str, texts: list[str]) -> None:
    assert len(set(read(FieldType(kind), *texts))) == len(texts)


PARTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2)


@given(PARTS, PARTS)
def test_keys_of_two_fields_are_equal_only_if_both_values_are(
    first: list[str], second: list[str]
) -> None:
    fields = [Field(name=name, type="text", source="dataset") for name in "ab"]
    key = key_of(fields, ["a", "b"])
    keys = [key(json.dumps(dict(zip("ab", values, strict=True)))) for values in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)
    assert all("\x02" not in text and "\n" not in text for text in keys)


def test_a_long_key_is_a_digest_which_no_short_key_can_be() -> None:
    short, long, longer = read(
        FieldType.TEXT,
        json.dumps("x" * (MAX_KEY_CHARACTERS - 4)),
        json.dumps("x" * (MAX_KEY_CHARACTERS - 3)),
        json.dumps("x" * 100_000),
    )
    assert short == f'["{"x" * (MAX_KEY_CHARACTERS - 4)}"]'
    assert [text.partition(":")[0] for text in (long, longer)] == ["sha256", "sha256"]
    assert len({long, longer}) == 2


def test_a_value_beside_the_key_can_be_any_json() -> None:
    fields = [
        Field(name="id", type="integer", source="dataset"),
        Field(name="j", type="json", source="dataset"),
    ]
    key = key_of(fields, ["id"])
    for document in ('"\\ud800"', "1e999", "123456789012345678901234567890", "[]"):
        assert key(f'{{"id":5,"j":{document}}}') == "[5]"


def test_a_task_without_a_value_has_no_key() -> None:
    with pytest.raises(NoKeyError, match=r"^no value of f$"):
        read(FieldType.TEXT, "null")


def test_values_are_the_same_if_every_field_has_an_equal_value() -> None:
    fields = [
        Field(name="n", type="number", source="dataset"),
        Field(name="t", type="text", source="dataset", required=False),
        Field(name="j", type="json", source="dataset", required=False),
    ]
    known = '{"n":5,"t":null,"j":{"a":1.0,"b":[1]}}'
    for same in (
        '{"n":5.0,"t":null,"j":{"a":1.0,"b":[1]}}',
        '{"t":null,"n":5,"j":{"b": [1], "a": 1.0}}',
        '{"n":5,"j":{"a":1.0,"b":[1]}}',
    ):
        assert same_values(fields, known, same)
    for other in ('{"n":5.1,"t":null}', '{"n":5,"t":"","j":{"a":1.0,"b":[1]}}', '{"n":5}'):
        assert not same_values(fields, known, other)


def test_a_key_is_described_by_its_fields() -> None:
    text = '{"a":"r 1","b":12345678901234567890,"c":true,"d":1.50}'
    assert describe_key(["a", "b", "c", "d"], text) == (
        "a 'r 1', b 12345678901234567890, c true, d 1.50"
    )


def test_a_pipeline_has_no_key_unless_it_declares_one() -> None:
    assert read_pipeline(FIELDS % ("text", "dataset")).key == ()
    assert read_pipeline(f"key: [f], {FIELDS % ('text', 'dataset')}").key == ("f",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            f"key: [g], {FIELDS % ('text', 'dataset')}",
            "key field 'g' is not a field of the pipeline",
        ),
        (
            f"key: [F], {FIELDS % ('text', 'dataset')}",
            "key field 'F' is not a field of the pipeline; did you mean 'f'?",
        ),
        (
            f"key: [f], {FIELDS % ('text', 'input')}",
            "key field 'f' is filled in by contributors; a key has dataset fields only",
        ),
        (
            f"key: [f], {FIELDS % ('json', 'dataset')}",
            "key field 'f' is of type json, which cannot be in a key",
        ),
        (
            "key: [f], fields: [{name: f, type: text, source: dataset, required: false}]",
            "key field 'f' is optional; a key has required fields only",
        ),
        (f"key: [f, f], {FIELDS % ('text', 'dataset')}", "key field 'f' occurs twice"),
    ],
)
def test_a_key_has_different_required_dataset_fields(settings: str, message: str) -> None:
    assert refusals(PIPELINE % settings) == [f"{IN_PIPELINE}: {message}"]


def test_every_type_whose_values_have_one_spelling_can_be_in_a_key() -> None:
    assert set(FieldType) - KEY_TYPES == {"json", "multi_select", "file"}
