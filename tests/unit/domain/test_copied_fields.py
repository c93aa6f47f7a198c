"""Which fields take stored values as they are, and which need their values read."""

from typing import Any

import pytest

from tasks_lib.domain.fields import Field
from tasks_lib.domain.mapping.copied_fields import CopiedField, copied_fields
from tasks_lib.domain.mapping.plans import columns_of, plan_mapping

OPTIONS = {"options": ["good", 'so "so"']}


def field(kind: str, **constraints: Any) -> Field:
    options = OPTIONS if kind.endswith("_select") else {}
    return Field.model_validate(
        {"name": "f", "type": kind, "source": "dataset", **options, **constraints}
    )


def copied(column: str, target: Field, source: str = "f") -> tuple[CopiedField, ...] | None:
    plan = plan_mapping(columns_of([field(column)]), [target], {"f": source})
    assert not plan.problems
    return copied_fields(plan, {"f"})


@pytest.mark.parametrize(
    ("column", "target", "source"),
    [
        ("json", field("text"), "f:$.a"),
        ("text", field("text", pattern="a+"), "f"),
        ("text", field("text", min_length=2), "f"),
        ("text", field("integer"), "f"),
        ("text", field("date"), "f"),
        ("number", field("integer"), "f"),
        ("integer", field("boolean"), "f"),
        ("integer", field("single_select"), "f"),
        ("number", field("number", max="1e3"), "f"),
        ("date", field("date", min="2024-01-01"), "f"),
        ("url", field("url", max_length=90), "f"),
        ("json", field("json"), "f"),
        ("multi_select", field("multi_select"), "f"),
        ("text", field("integer"), "id"),
        ("text", field("text"), "status"),
    ],
)
def test_a_value_that_may_change_or_not_fit_is_read(
    column: str, target: Field, source: str
) -> None:
    assert copied(column, target, source) is None


def test_an_escape_counts_as_several_characters_but_never_as_fewer() -> None:
    assert copied("text", field("text", max_length=5)) == (
        CopiedField("f", "f", required=True, max_length=7),
    )
    assert copied("boolean", field("text", max_length=5)) == (
        CopiedField(
            "f", "f", required=True, texts=("true", "false"), max_length=5, adds_quotes=True
        ),
    )


def test_options_are_compared_as_they_are_stored() -> None:
    assert copied("text", field("single_select", required=False)) == (
        CopiedField("f", "f", required=False, texts=('"good"', '"so \\"so\\""')),
    )


def test_one_field_that_must_be_read_lets_all_be_read() -> None:
    fields = [field("text"), field("json").model_copy(update={"name": "g"})]
    plan = plan_mapping(columns_of(fields), fields)
    assert copied_fields(plan, {"f", "g"}) is None
    assert copied_fields(plan_mapping(columns_of(fields), fields[:1]), {"f", "g"}) is not None
