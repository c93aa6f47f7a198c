"""Keys that are read by a pattern are those that are read one by one."""

import json
from typing import Any

import pyarrow as pa
from hypothesis import given, strategies as st

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.rows.keys import key_of
from tasks_lib.intake.rows.task_keys import key_reader

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['","k":"x', "\\", '"', "\n", "}", ",", "x" * 300, '{"k":', "é" * 198]
)
VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.TEXT: TEXTS,
    FieldType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    FieldType.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: st.dates().map(str),
    FieldType.MULTI_SELECT: st.lists(TEXTS, max_size=3),
    FieldType.JSON: st.dictionaries(st.just("k"), TEXTS),
}


def field(name: str, kind: FieldType) -> Field:
    options = ("a",) if kind is FieldType.MULTI_SELECT else None
    return Field(name=name, type=kind, source="dataset", options=options)


@given(st.data())
def test_the_pattern_finds_the_keys_that_are_read_one_by_one(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4))
    names = ["k", 'a"b', "c\\d", "é (x)"][: len(kinds)]
    fields = [field(name, kind) for name, kind in zip(names, kinds, strict=True)]
    allowed = [f.name for f in fields if f.type not in {FieldType.JSON, FieldType.MULTI_SELECT}]
    if not allowed:
        return
    key = data.draw(st.lists(st.sampled_from(allowed), min_size=1, unique=True))
    rows = [
        {
            f.name: data.draw(VALUES[f.type] if f.name in key else st.none() | VALUES[f.type])
            for f in fields
        }
        for _ in range(data.draw(st.integers(0, 4)))
    ]
    shuffled = [
        dict(data.draw(st.permutations(list(row.items())))) if data.draw(st.booleans()) else row
        for row in rows
    ]
    texts = [
        json.dumps(row, ensure_ascii=data.draw(st.booleans()), separators=(",", ":"))
        for row in shuffled
    ]
    read = key_of(fields, key)
    found = key_reader(fields, key)(pa.array(texts, pa.string()))
    assert found.to_pylist() == [read(text) for text in texts]
