"""Changes of a pipeline's fields that existing tasks survive, and those that break them."""

import pytest

from tasks_lib.domain.catalogue import Pipeline, PipelineEntry
from tasks_lib.domain.catalogue_changes import breaking_changes
from tasks_lib.domain.fields import Field
from tasks_lib.domain.statuses import PipelineStatus


def field(kind: str = "text", name: str = "f", **settings: object) -> Field:
    return Field.model_validate({"name": name, "type": kind, "source": "dataset", **settings})


def reasons_against(before: list[Field], after: list[Field]) -> list[str]:
    pipeline = Pipeline(
        id=7,
        name="label",
        project_id=3,
        project="reviews",
        organization_id=2,
        organization="acme",
        status=PipelineStatus.ACTIVE,
        fields=tuple(before),
    )
    return breaking_changes(pipeline, PipelineEntry(name="label", fields=tuple(after)))


def select(*options: str) -> Field:
    return field("single_select", options=options)


SURVIVED = {
    "nothing": (field(), field()),
    "required to optional": (field(), field(required=False)),
    "min removed": (field("integer", min=1), field("integer")),
    "min lowered": (field("integer", min=1), field("integer", min=0)),
    "min lowered below zero": (field("integer", min=-1), field("integer", min=-10)),
    "min lowered by digits": (field("integer", min=10), field("integer", min=9)),
    "max removed": (field("integer", max=5), field("integer")),
    "max raised": (field("integer", max=5), field("integer", max=10)),
    "min of a number, spelled otherwise": (
        field("number", min="1.0"), field("number", min="1e0")
    ),
    "both bounds widened": (field("number", min=1, max=2), field("number", min="0.5", max="1e3")),
    "min of a date lowered": (
        field("date", min="2024-01-02"), field("date", min="2024-01-01")
    ),
    "max of a date raised": (
        field("date", max="2023-12-31"), field("date", max="2024-01-01")
    ),
    "min of a datetime, the same instant without seconds": (
        field("datetime", min="2024-01-01T00:00"), field("datetime", min="2024-01-01T00:00:00")
    ),
    "max of a datetime, the same instant without seconds": (
        field("datetime", max="2024-01-01T00:00:00"), field("datetime", max="2024-01-01T00:00")
    ),
    "max of a datetime, the same instant elsewhere": (
        field("datetime", max="2024-01-01T12:00:00Z"),
        field("datetime", max="2024-01-01T11:00:00-01:00"),
    ),
    "min of a datetime, an earlier instant elsewhere": (
        field("datetime", min="2024-01-01T01:00:00Z"),
        field("datetime", min="2024-01-01T02:00:00+05:00"),
    ),
    "min of a datetime, with an offset instead of none": (
        field("datetime", min="2024-01-01T00:00"), field("datetime", min="2024-01-01T05:30+05:30")
    ),
    "max of a datetime, later on an earlier day": (
        field("datetime", max="2024-01-02T00:30:00+05:00"),
        field("datetime", max="2024-01-01T23:00:00Z"),
    ),
    "min of a datetime, earlier on a later day": (
        field("datetime", min="2024-01-01T23:00:00Z"),
        field("datetime", min="2024-01-02T00:30:00+05:00"),
    ),
    "max of a datetime, raised by a microsecond": (
        field("datetime", max="2024-01-01T00:00:00Z"),
        field("datetime", max="2024-01-01T00:00:00.000001"),
    ),
    "both bounds of a datetime, at the ends of the calendar": (
        field("datetime", min="0001-01-01T00:00Z", max="9999-12-31T23:59Z"),
        field("datetime", min="0001-01-01T00:00+23:59", max="9999-12-31T23:59-23:59"),
    ),
    "max of a number, the same as an exponent": (
        field("number", max="1000.00"), field("number", max="1e3")
    ),
    "max of a number raised by less than a float can tell": (
        field("number", max="0.1"), field("number", max="0.10000000000000000000000001")
    ),
    "min of a number lowered by less than a float can tell": (
        field("number", min="9007199254740993"), field("number", min="9007199254740992.5")
    ),
    "min of a number lowered from the smallest to zero": (
        field("number", min="1e-999"), field("number", min="-0")
    ),
    "max of a number raised by digits": (
        field("number", max="9.5"), field("number", max="10")
    ),
    "max of an integer raised by less than a float can tell": (
        field("integer", max=2**63 - 2), field("integer", max=2**63 - 1)
    ),
    "min_length removed": (field(min_length=3), field()),
    "min_length lowered": (field(min_length=10), field(min_length=9)),
    "min_length that nothing empty meets": (field(), field(min_length=1)),
    "max_length removed": (field(max_length=3), field()),
    "max_length raised": (field(max_length=9), field(max_length=10)),
    "pattern removed": (field(pattern="a+"), field()),
    "option added": (select("a", "b"), select("a", "b", "c")),
    "options moved": (select("a", "b"), select("b", "a")),
    "max_bytes raised": (field("file", max_bytes=9), field("file", max_bytes=10)),
    "content type added": (
        field("file", content_types=["a/b"]), field("file", content_types=["a/c", "a/b"])
    ),
    "content types removed": (field("file", content_types=["a/b"]), field("file")),
}  # fmt: skip


@pytest.mark.parametrize("change", SURVIVED)
def test_tasks_survive_a_field_that_allows_as_much_or_more(change: str) -> None:
    before, after = SURVIVED[change]
    assert reasons_against([before], [after]) == []


BROKEN = {
    "optional to required": (
        field(required=False), field(), ["would become required"]
    ),
    "another type": (
        field("text"), field("long_text"), ["would change its type from text to long_text"]
    ),
    "another type is all that is said": (
        field("integer", required=False, min=1), field("number", source="input", min=5),
        ["would change its type from integer to number"],
    ),
    "dataset to input": (
        field(), field(source="input"), ["would change from dataset to input"]
    ),
    "input to dataset": (
        field(source="input"), field(), ["would change from input to dataset"]
    ),
    "min added": (
        field("integer"), field("integer", min=1), ["would get a narrower min: none to 1"]
    ),
    "min raised": (
        field("integer", min=1), field("integer", min=2), ["would get a narrower min: 1 to 2"]
    ),
    "min raised by digits": (
        field("integer", min=9), field("integer", min=10), ["would get a narrower min: 9 to 10"]
    ),
    "min raised by less than a float can tell": (
        field("integer", min=9007199254740992), field("integer", min=9007199254740993),
        ["would get a narrower min: 9007199254740992 to 9007199254740993"],
    ),
    "max lowered by less than a float can tell": (
        field("number", max="0.1"), field("number", max="0.09999999999999999999999999"),
        ["would get a narrower max: 0.1 to 0.09999999999999999999999999"],
    ),
    "max lowered by one of 19 digits": (
        field("integer", max=2**63 - 1), field("integer", max=2**63 - 2),
        ["would get a narrower max: 9223372036854775807 to 9223372036854775806"],
    ),
    "min of a number raised by less than a float can tell": (
        field("number", min="9007199254740992"), field("number", min="9007199254740992.1"),
        ["would get a narrower min: 9007199254740992 to 9007199254740992.1"],
    ),
    "min of a number raised from zero to the smallest": (
        field("number", min="0.0"), field("number", min="1e-999"),
        ["would get a narrower min: 0.0 to 1e-999"],
    ),
    "max of a number lowered beyond the digits of a decimal context": (
        field("number", max="1." + "0" * 40 + "1"), field("number", max="1.0"),
        ["would get a narrower max: 1." + "0" * 40 + "1 to 1.0"],
    ),
    "max of a number lowered from an exponent": (
        field("number", max="1e3"), field("number", max="999.9"),
        ["would get a narrower max: 1e3 to 999.9"],
    ),
    "min of a negative number raised": (
        field("number", min="-10"), field("number", min="-9.5"),
        ["would get a narrower min: -10 to -9.5"],
    ),
    "max added": (
        field("number"), field("number", max=1), ["would get a narrower max: none to 1"]
    ),
    "max lowered": (
        field("number", max=10), field("number", max="9.5"), ["would get a narrower max: 10 to 9.5"]
    ),
    "min of a date raised": (
        field("date", min="2023-12-31"), field("date", min="2024-01-01"),
        ["would get a narrower min: 2023-12-31 to 2024-01-01"],
    ),
    "max of a datetime lowered": (
        field("datetime", max="2024-01-01T12:00"), field("datetime", max="2024-01-01T11:00"),
        ["would get a narrower max: 2024-01-01T12:00 to 2024-01-01T11:00"],
    ),
    "min of a datetime, a later instant elsewhere": (
        field("datetime", min="2024-01-01T00:00:00Z"),
        field("datetime", min="2024-01-01T00:00:00-05:00"),
        ["would get a narrower min: 2024-01-01T00:00:00Z to 2024-01-01T00:00:00-05:00"],
    ),
    "max of a datetime, an earlier instant elsewhere": (
        field("datetime", max="2024-01-01T12:00:00Z"),
        field("datetime", max="2024-01-01T13:00:00+05:00"),
        ["would get a narrower max: 2024-01-01T12:00:00Z to 2024-01-01T13:00:00+05:00"],
    ),
    "min of a datetime, later on an earlier day": (
        field("datetime", min="2024-01-02T00:30:00+05:00"),
        field("datetime", min="2024-01-01T23:00:00Z"),
        ["would get a narrower min: 2024-01-02T00:30:00+05:00 to 2024-01-01T23:00:00Z"],
    ),
    "max of a datetime, earlier on a later day": (
        field("datetime", max="2024-01-01T23:00:00Z"),
        field("datetime", max="2024-01-02T00:30:00+05:00"),
        ["would get a narrower max: 2024-01-01T23:00:00Z to 2024-01-02T00:30:00+05:00"],
    ),
    "max of a datetime without an offset, which counts as UTC": (
        field("datetime", max="2024-01-01T12:00"), field("datetime", max="2024-01-01T12:00+00:01"),
        ["would get a narrower max: 2024-01-01T12:00 to 2024-01-01T12:00+00:01"],
    ),
    "min of a datetime raised by a microsecond": (
        field("datetime", min="2024-01-01T12:00:00Z"),
        field("datetime", min="2024-01-01T12:00:00.000001Z"),
        ["would get a narrower min: 2024-01-01T12:00:00Z to 2024-01-01T12:00:00.000001Z"],
    ),
    "min of a datetime added": (
        field("datetime"), field("datetime", min="2024-01-01T12:00-09:30"),
        ["would get a narrower min: none to 2024-01-01T12:00-09:30"],
    ),
    "both bounds of a datetime": (
        field("datetime", min="2024-01-01T00:00Z", max="2024-01-02T00:00Z"),
        field("datetime", min="2024-01-01T00:00-01:00", max="2024-01-02T00:00+01:00"),
        [
            "would get a narrower min: 2024-01-01T00:00Z to 2024-01-01T00:00-01:00",
            "would get a narrower max: 2024-01-02T00:00Z to 2024-01-02T00:00+01:00",
        ],
    ),
    "min_length raised": (
        field(min_length=9), field(min_length=10), ["would get a narrower min_length: 9 to 10"]
    ),
    "max_length added": (
        field(), field(max_length=10), ["would get a narrower max_length: none to 10"]
    ),
    "max_length lowered": (
        field(max_length=10), field(max_length=9), ["would get a narrower max_length: 10 to 9"]
    ),
    "pattern added": (
        field(), field(pattern="a+"), ["would get a narrower pattern: none to a+"]
    ),
    "pattern changed, for nobody can tell": (
        field(pattern="a+"), field(pattern="a*"), ["would get a narrower pattern: a+ to a*"]
    ),
    "option taken away": (
        select("a", "b"), select("a"), ["would get a narrower options: [a, b] to [a]"]
    ),
    "option renamed": (
        select("a", "b"), select("a", "B"), ["would get a narrower options: [a, b] to [a, B]"]
    ),
    "max_bytes lowered": (
        field("file", max_bytes=10), field("file", max_bytes=9),
        ["would get a narrower max_bytes: 10 to 9"],
    ),
    "content types added": (
        field("file"), field("file", content_types=["a/b"]),
        ["would get a narrower content_types: none to [a/b]"],
    ),
    "everything at once": (
        field("integer", required=False, min=1, max=5),
        field("integer", source="input", min=2, max=4),
        [
            "would change from dataset to input",
            "would become required",
            "would get a narrower min: 1 to 2",
            "would get a narrower max: 5 to 4",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", BROKEN)
def test_tasks_do_not_survive_a_field_that_allows_less(change: str) -> None:
    before, after, reasons = BROKEN[change]
    assert reasons_against([before], [after]) == [f"field 'f' {reason}" for reason in reasons]


A, B, C = field(name="a"), field(name="b"), field(name="c")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([A, B], [B, A], id="moved"),
        pytest.param([], [], id="none"),
        pytest.param([A], [A, field(name="b", required=False)], id="an optional dataset field"),
        pytest.param([A], [A, field(name="b", source="input")], id="a required input field"),
        pytest.param(
            [A], [field(name="b", required=False, source="input"), A], id="an optional input field"
        ),
    ],
)
def test_tasks_survive_moved_fields_and_added_ones_that_need_no_value(
    before: list[Field], after: list[Field]
) -> None:
    assert reasons_against(before, after) == []


ADDED = (
    "would be new and required, but existing tasks have no value for it; "
    "add it with required: false"
)


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        pytest.param([A, B], [A], ["field 'b' would be removed"], id="removed"),
        pytest.param(
            [A, field(name="b", required=False, source="input")],
            [A],
            ["field 'b' would be removed"],
            id="an optional input field removed",
        ),
        pytest.param([A], [A, B], [f"field 'b' {ADDED}"], id="a required dataset field added"),
        pytest.param(
            [A, B],
            [A, C],
            ["field 'b' would be removed", f"field 'c' {ADDED}"],
            id="renamed",
        ),
        pytest.param(
            [A, B],
            [field(name="a", max_length=5), field("date", name="b")],
            [
                "field 'a' would get a narrower max_length: none to 5",
                "field 'b' would change its type from text to date",
            ],
            id="two fields changed",
        ),
    ],
)
def test_a_removed_field_or_a_new_required_one_breaks_tasks(
    before: list[Field], after: list[Field], reasons: list[str]
) -> None:
    assert reasons_against(before, after) == reasons
