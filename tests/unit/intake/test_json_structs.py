"""Ordinary tasks in JSON take the fast path, and all others the slow one."""

from typing import Any

import pytest

from cells import field, fields_of
from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.intake.api_tasks.json_structs import are_certain, decode_tasks, objects_of
from tasks_lib.intake.api_tasks.json_tasks import read_tasks

PLAIN = fields_of(a="text", b="integer?", c="number?", d="boolean?", e="date?", f="url?")


def written_objects(row: str, fields: list[Field] = PLAIN, *, max_cell_bytes: int = 200) -> Any:
    """Return the objects of two equal tasks on the fast path; None if they need the slow one."""
    body = f'{{"tasks": [{{"fields": {row}}}, {{"fields": {row}}}]}}'.encode()
    typed = decode_tasks(body, fields)
    if typed is None or not are_certain(typed, body):
        return None
    objects = objects_of(typed, max_cell_bytes)
    return objects if objects is None else objects.to_pylist()


@pytest.mark.parametrize(
    ("row", "stored"),
    [
        (
            '{"a": "x", "b": -7, "c": 1.50, "d": true, "e": "2026-11-25", "f": "http://e.org/"}',
            '{"a":"x","b":-7,"c":1.50,"d":true,"e":"2026-11-25","f":"http://e.org/"}',
        ),
        (
            '{ "d" : null,"c":null , "a":"\\u00e9 \\u54c1 \\"\\\\\\/\\n\\t", "b": 0 }',
            '{"a":"é 品 \\"\\\\/\\n\\t","b":0,"c":null,"d":null,"e":null,"f":null}',
        ),
        (
            '{"a": "x", "c": "1.50"}',
            '{"a":"x","b":null,"c":1.50,"d":null,"e":null,"f":null}',
        ),
    ],
    ids=["all", "left out, null and escaped", "a number as a string"],
)
def test_regular_tasks_take_the_fast_path(row: str, stored: str) -> None:
    assert written_objects(row) == [stored, stored]


@pytest.mark.parametrize(
    "row",
    [
        '{"a": "x", "a": "y"}',
        '{"a": "x\\u003a", "a": "y"}',
        '{"a": "x", "other": 1}',
        '{"a": ""}',
        '{"a": null}',
        '{"a": 1}',
        '{"a": "a\\u0000b"}',
        '{"a": "a\\ud800b"}',
        '{"a": "x", "b": -0}',
        '{"a": "x", "b": 1.0}',
        '{"a": "x", "b": 9223372036854775808}',
        '{"a": "x", "b": "1"}',
        '{"a": "x", "c": 1e400}',
        '{"a": "x", "d": 1}',
        '{"a": "x", "e": "2026-02-29"}',
        '{"a": "x", "f": "example.org"}',
        '{"a": "' + 200 * "x" + '"}',
        '{"a": "x"',
    ],
)
def test_wrong_or_odd_tasks_take_the_slow_path(row: str) -> None:
    assert written_objects(row) is None


def test_a_colon_in_a_name_does_not_hide_a_doubled_key() -> None:
    fields = fields_of(**{"a": "text", "b:c": "text?"})
    assert written_objects('{"a": "x", "a": "y"}', fields) is None
    read = read_tasks(b'{"tasks": [{"fields": {"a": "x", "a": "y"}}]}', fields, Limits())
    assert [(bad.place, bad.problem.field, bad.problem.code) for bad in read.bad] == [
        (0, "a", "duplicate_field")
    ]


@pytest.mark.parametrize(
    ("constraints", "stored"),
    [
        ({"min_length": 10**30}, None),
        ({"max_length": 10**30}, ['{"f":"x"}', '{"f":"x"}']),
    ],
)
def test_a_length_constraint_may_be_arbitrarily_large(
    constraints: dict[str, int], stored: list[str] | None
) -> None:
    assert written_objects('{"f": "x"}', [field("text", **constraints)]) == stored


def test_files_take_the_slow_path() -> None:
    assert written_objects('{"a": "x"}', fields_of(a="text", b="file?")) is None
