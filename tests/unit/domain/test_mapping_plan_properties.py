"""Properties of every mapping plan, for drawn columns, fields and mappings."""

import random

from hypothesis import given, strategies as st

from tasks_lib.domain.fields import Field, FieldType
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.drift import drift
from tasks_lib.domain.mapping.plans import (
    Outcome,
    plan_mapping,
)


def field(name: str, kind: str = "text", **settings: object) -> Field:
    return Field.model_validate({"name": name, "type": kind, "source": "dataset", **settings})


NAMES = st.sampled_from(["a b", "a_b", "A B", "aB", "c", "C", "d-1", "d1", "é", "É", "-", "x:y"])
KINDS = st.sampled_from([FieldType.TEXT, FieldType.BOOLEAN, FieldType.DATE, FieldType.JSON])
COLUMNS = st.lists(st.builds(Column, NAMES, KINDS), unique_by=lambda column: column.name)
FIELDS = st.lists(
    st.builds(
        lambda name, kind, source, required: field(
            name, kind.value, source=source, required=required
        ),
        NAMES, KINDS, st.sampled_from(["dataset", "input"]), st.booleans(),
    ),
    unique_by=lambda entry: entry.name,
)  # fmt: skip
BY_HAND_MAPPINGS = st.dictionaries(NAMES, NAMES | st.sampled_from(["c:$.a", "d1:$[", "é:$"]))


@given(COLUMNS, FIELDS, BY_HAND_MAPPINGS, st.sets(NAMES))
def test_every_field_ends_in_one_outcome_and_every_column_is_used_or_not(
    given_columns: list[Column], fields: list[Field], mapping: dict[str, str], skip: set[str]
) -> None:
    plan = plan_mapping(given_columns, fields, mapping, skip)
    assert [entry.field for entry in plan.fields] == fields
    for entry in plan.fields:
        filled = entry.outcome in {Outcome.MATCHED, Outcome.MAPPED}
        assert filled == (entry.column is not None)
        assert (entry.outcome is Outcome.SKIPPED) == (entry.field.name in skip)
        assert entry.outcome is not Outcome.MAPPED or entry.field.name in mapping
    used = {entry.column for entry in plan.filled}
    assert [column for column in given_columns if column not in used] == list(plan.unused)


@given(COLUMNS, FIELDS, BY_HAND_MAPPINGS, st.sets(NAMES), st.randoms())
def test_the_order_of_the_columns_does_not_matter(
    given_columns: list[Column],
    fields: list[Field],
    mapping: dict[str, str],
    skip: set[str],
    chance: random.Random,
) -> None:
    shuffled = chance.sample(given_columns, len(given_columns))
    plan = plan_mapping(given_columns, fields, mapping, skip)
    other = plan_mapping(shuffled, fields, mapping, skip)
    assert other.fields == plan.fields
    assert other.problems == plan.problems


@given(COLUMNS, FIELDS)
def test_exact_matches_always_win(given_columns: list[Column], fields: list[Field]) -> None:
    named = {column.name: column for column in given_columns}
    for entry in plan_mapping(given_columns, fields).fields:
        if entry.field.name in named:
            assert entry.column in {named[entry.field.name], None}
        elif entry.column is not None:
            assert entry.column.name not in {other.name for other in fields}


@given(COLUMNS, FIELDS)
def test_a_usable_plan_fills_every_required_dataset_field(
    given_columns: list[Column], fields: list[Field]
) -> None:
    plan = plan_mapping(given_columns, fields)
    lacking = [
        entry.field.name
        for entry in plan.fields
        if entry.column is None and entry.field.required and entry.field.source == "dataset"
    ]
    assert [problem.field for problem in plan.problems] == lacking


@given(COLUMNS, COLUMNS)
def test_only_the_same_columns_have_not_drifted(before: list[Column], now: list[Column]) -> None:
    assert (drift(before, now) == []) == (set(before) == set(now))
