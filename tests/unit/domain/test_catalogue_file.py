"""The catalogue file: what it may say, and why the rest is refused."""

import pytest
import yaml
from pydantic import ValidationError

from tasks_lib.domain.catalogue import (
    Catalogue,
    OrganizationEntry,
    Pipeline,
    PipelineEntry,
    ProjectEntry,
)
from tasks_lib.domain.fields import CONSTRAINTS, Field, FieldSource, FieldType
from tasks_lib.domain.statuses import PipelineStatus

CONTRACT = """
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
          - name: label-reviews
            status: active            # draft | active | paused | completed | archived
            claim_timeout: 30m        # optional
            fields:
              - {name: review_id, type: text, source: dataset}
              - {name: body, type: long_text, source: dataset}
              - {name: stars, type: integer, source: dataset, required: false, min: 1, max: 5}
              - {name: sentiment, type: single_select, source: input, options: [good, bad, mixed]}
"""

PIPELINE = "organizations: [{name: acme, projects: [{name: reviews, pipelines: [{name: p, %s}]}]}]"
IN_PIPELINE = "organizations.0.projects.0.pipelines.0"
IN_FIELD = f"{IN_PIPELINE}.fields.0"


def read(text: str) -> Catalogue:
    return Catalogue.model_validate(yaml.safe_load(text))


def read_pipeline(settings: str) -> PipelineEntry:
    return read(PIPELINE % settings).organizations[0].projects[0].pipelines[0]


def read_field(settings: str) -> Field:
    return read_pipeline(f"fields: [{{name: f, {settings}}}]").fields[0]


def refusals(text: str) -> list[str]:
    """The place of each mistake and what is wrong there."""
    with pytest.raises(ValidationError) as caught:
        read(text)
    return [
        f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg'].removeprefix('Value error, ')}"
        for mistake in caught.value.errors(include_url=False)
    ]


def test_the_catalogue_of_the_contract_is_read_as_it_stands() -> None:
    assert read(CONTRACT) == Catalogue(
        organizations=(
            OrganizationEntry(
                name="acme",
                projects=(
                    ProjectEntry(
                        name="reviews",
                        pipelines=(
                            PipelineEntry(
                                name="label-reviews",
                                status=PipelineStatus.ACTIVE,
                                claim_timeout=1800,
                                fields=(
                                    Field(
                                        name="review_id",
                                        type=FieldType.TEXT,
                                        source=FieldSource.DATASET,
                                        required=True,
                                    ),
                                    Field(
                                        name="body",
                                        type=FieldType.LONG_TEXT,
                                        source=FieldSource.DATASET,
                                        required=True,
                                    ),
                                    Field(
                                        name="stars",
                                        type=FieldType.INTEGER,
                                        source=FieldSource.DATASET,
                                        required=False,
                                        min="1",
                                        max="5",
                                    ),
                                    Field(
                                        name="sentiment",
                                        type=FieldType.SINGLE_SELECT,
                                        source=FieldSource.INPUT,
                                        required=True,
                                        options=("good", "bad", "mixed"),
                                    ),
                                ),
                            ),
                        ),
                    ),
                ),
            ),
        )
    )


def test_a_pipeline_is_active_without_a_timeout_or_fields_unless_told() -> None:
    assert read_pipeline("") == PipelineEntry(
        name="p", status=PipelineStatus.ACTIVE, claim_timeout=None, fields=()
    )


def test_a_field_is_required_and_unconstrained_unless_told() -> None:
    field = read_field("type: text, source: input")
    assert (field.required, field.constraints) == (True, {})


@pytest.mark.parametrize("status", ["draft", "active", "paused", "completed", "archived"])
def test_a_pipeline_can_have_each_status(status: str) -> None:
    assert read_pipeline(f"status: {status}").status == PipelineStatus(status)


def test_the_twelve_field_types_are_those_of_the_contract() -> None:
    assert [kind.value for kind in FieldType] == [
        "text", "long_text", "integer", "number", "boolean", "date", "datetime", "single_select",
        "multi_select", "url", "json", "file",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("30m", 1_800),
        ("2h", 7_200),
        ("1d", 86_400),
        ("45", 45),
        ("1", 1),
        ("' 2h '", 7_200),
        ("366d", 31_622_400),
        ("8784h", 31_622_400),
        ("527040m", 31_622_400),
        ("31622400s", 31_622_400),
        ("31622400", 31_622_400),
        ("~", None),
    ],
)
def test_a_duration_is_a_bare_number_of_seconds_or_has_a_unit(
    written: str, seconds: int | None
) -> None:
    assert read_pipeline(f"claim_timeout: {written}").claim_timeout == seconds


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("0", "0"),
        ("-5", "-5"),
        ("1.5", "1.5"),
        ("true", "True"),
        ("[1]", "[1]"),
        ("0m", "'0m'"),
        ("007m", "'007m'"),
        ("-5m", "'-5m'"),
        ("1.5h", "'1.5h'"),
        ("30 m", "'30 m'"),
        ("30M", "'30M'"),
        ("1w", "'1w'"),
        ("1h30m", "'1h30m'"),
        ("'30'", "'30'"),
        ("'0'", "'0'"),
        ("90.0", "90.0"),
        ("''", "''"),
        ("h", "'h'"),
        ("'+30s'", "'+30s'"),
        ("soon", "'soon'"),
        ("٣m", "'٣m'"),
    ],
)
def test_what_is_no_duration_is_refused(written: str, shown: str) -> None:
    assert refusals(PIPELINE % f"claim_timeout: {written}") == [
        f"{IN_PIPELINE}.claim_timeout: {shown} is not a duration such as 90s, 30m, 2h or 1d"
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("367d", "'367d'"),
        ("8785h", "'8785h'"),
        ("527041m", "'527041m'"),
        ("31622401s", "'31622401s'"),
        ("31622401", "31622401"),
        ("24856d", "'24856d'"),
        ("999999999d", "'999999999d'"),
        ("1000000000d", "'1000000000d'"),
        ("99999999999999999999s", "'99999999999999999999s'"),
        ("1" + "0" * 40, "1" + "0" * 40),
    ],
)
def test_a_duration_longer_than_a_year_is_refused(written: str, shown: str) -> None:
    assert refusals(PIPELINE % f"claim_timeout: {written}") == [
        f"{IN_PIPELINE}.claim_timeout: {shown} is longer than a year"
    ]


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
    ("text", "mistakes"),
    [
        pytest.param(
            "",
            [": Input should be a valid dictionary or instance of Catalogue"],
            id="an empty file",
        ),
        pytest.param(
            "[]",
            [": Input should be a valid dictionary or instance of Catalogue"],
            id="a list",
        ),
        pytest.param(
            "teams: []",
            ["organizations: Field required", "teams: Extra inputs are not permitted"],
            id="another key",
        ),
        pytest.param(
            "organizations:",
            ["organizations: Input should be a valid tuple"],
            id="no organizations",
        ),
        pytest.param(
            "organizations: [{}]",
            ["organizations.0.name: Field required"],
            id="an organization without a name",
        ),
        pytest.param(
            "organizations: [{name: 7}]",
            ["organizations.0.name: Input should be a valid string"],
            id="a number as a name",
        ),
        pytest.param(
            "organizations: [{name: '7'}]",
            [
                "organizations.0: organization name '7' must not hold a slash or be a number: "
                "paths and numbers name pipelines"
            ],
            id="a name that is a number",
        ),
        pytest.param(
            "organizations: [{name: acme, projects: [{name: a/b}]}]",
            [
                "organizations.0.projects.0: project name 'a/b' must not hold a slash or be a "
                "number: paths and numbers name pipelines"
            ],
            id="a slash in a project's name",
        ),
        pytest.param(
            "organizations: [{name: acme, projects: [{name: p, pipelines: [{name: '٣'}]}]}]",
            [
                f"{IN_PIPELINE}: pipeline name '٣' must not hold a slash or be a number: "
                "paths and numbers name pipelines"
            ],
            id="a pipeline's name that is a number in another script",
        ),
        pytest.param(
            "organizations: [{name: acme}, {name: b}, {name: acme}]",
            [": organization 'acme' stands twice"],
            id="an organization twice",
        ),
        pytest.param(
            "organizations: [{name: acme, projects: [{name: p}, {name: p}]}]",
            ["organizations.0: organization 'acme': project 'p' stands twice"],
            id="a project twice",
        ),
        pytest.param(
            "organizations: [{name: a, projects: [{name: b, pipelines: [{name: c}, {name: c}]}]}]",
            ["organizations.0.projects.0: project 'b': pipeline 'c' stands twice"],
            id="a pipeline twice",
        ),
        pytest.param(
            PIPELINE % "fields: [{name: f, type: text, source: input}, "
            "{name: f, type: date, source: dataset}]",
            [f"{IN_PIPELINE}: pipeline 'p': field 'f' stands twice"],
            id="a field twice",
        ),
        pytest.param(
            PIPELINE % "status: open",
            [
                f"{IN_PIPELINE}.status: Input should be 'draft', 'active', 'paused', 'completed' "
                "or 'archived'"
            ],
            id="an unknown status",
        ),
        pytest.param(
            PIPELINE % "owner: me",
            [f"{IN_PIPELINE}.owner: Extra inputs are not permitted"],
            id="an unknown setting of a pipeline",
        ),
        pytest.param(
            PIPELINE % "status: open, claim_timeout: soon",
            [
                f"{IN_PIPELINE}.status: Input should be 'draft', 'active', 'paused', 'completed' "
                "or 'archived'",
                f"{IN_PIPELINE}.claim_timeout: 'soon' is not a duration such as 90s, 30m, 2h or 1d",
            ],
            id="two mistakes",
        ),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(text: str, mistakes: list[str]) -> None:
    assert refusals(text) == mistakes


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
def test_a_field_s_name_must_be_seen_and_free(name: str, mistake: str) -> None:
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
                ": field 'f': pattern '(' is no regular expression: "
                "missing ), unterminated subpattern at position 0"
            ],
            id="a pattern that is none",
        ),
        pytest.param(
            "type: text, source: input, pattern: '[[a]'",
            [
                ": field 'f': pattern '[[a]' is no regular expression: "
                "Possible nested set at position 1"
            ],
            id="a pattern that Python warns of",
        ),
        pytest.param(
            "type: url, source: input, pattern: 'a[a--b]'",
            [
                ": field 'f': pattern 'a[a--b]' is no regular expression: "
                "Possible set difference at position 3"
            ],
            id="a pattern of a URL that Python warns of",
        ),
        pytest.param(
            "type: text, source: input, pattern: 'a{4294967295}'",
            [
                ": field 'f': pattern 'a{4294967295}' is no regular expression: "
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


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        pytest.param(
            "type: integer, source: input, min: one",
            "the bound 'one' is not a whole number such as 42 or -7",
            id="no integer",
        ),
        pytest.param(
            "type: integer, source: input, min: 1.0",
            "the bound '1.0' is not a whole number such as 42 or -7",
            id="a fraction",
        ),
        pytest.param(
            "type: number, source: input, min: .inf",
            "the bound 'inf' is not a number such as 12.5, -3 or 1e6",
            id="infinity",
        ),
        pytest.param(
            "type: datetime, source: input, max: 2024-01-01",
            "the bound '2024-01-01' is not a date and time like 2026-11-23T13:45:00Z",
            id="a date for a datetime",
        ),
        pytest.param(
            "type: datetime, source: input, max: 2024-01-01T24:00",
            "the bound '2024-01-01T24:00' is not a date and time like 2026-11-23T13:45:00Z",
            id="an hour that no day has",
        ),
        pytest.param(
            "type: date, source: input, min: '2023-02-29'",
            "the bound '2023-02-29' is no day of the calendar",
            id="an impossible day",
        ),
        pytest.param(
            "type: number, source: input, min: 1e999",
            "the bound '1e999' is outside the range of a 64-bit number",
            id="an endless number",
        ),
        pytest.param(
            "type: number, source: input, max: 1e-99999999999999999999",
            "the bound '1e-99999999999999999999' is outside the range of a 64-bit number",
            id="an exponent beyond any decimal",
        ),
        pytest.param(
            f"type: number, source: input, min: '{'9' * 5_000}'",
            f"the bound '{'9' * 60}'... (5,000 characters) is outside the range of a 64-bit number",
            id="a number of 5,000 digits",
        ),
        pytest.param(
            "type: integer, source: input, min: 6, max: 5", "min 6 is above max 5", id="crossed"
        ),
    ],
)
def test_bounds_are_values_of_the_type_and_not_crossed(settings: str, mistake: str) -> None:
    text = PIPELINE % f"fields: [{{name: f, {settings}}}]"
    assert refusals(text) == [f"{IN_PIPELINE}: field 'f': {mistake}"]


def test_a_pattern_nested_too_deep_to_compile_is_refused() -> None:
    pattern = "(" * 5_000 + ")" * 5_000
    (refused,) = refusals(
        PIPELINE % f"fields: [{{name: f, type: text, source: input, pattern: '{pattern}'}}]"
    )
    assert refused.startswith(
        f"{IN_FIELD}: field 'f': pattern '{pattern}' is no regular expression: "
    )


def test_every_constraint_is_a_setting_of_a_field() -> None:
    assert set(Field.model_fields) - set(CONSTRAINTS) == {"name", "type", "source", "required"}


def test_an_entry_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="Instance is frozen"):
        read_pipeline("").name = "q"  # type: ignore[misc]


def test_a_pipeline_of_the_store_knows_its_path_and_what_a_seeding_fills() -> None:
    given, chosen, picture = (
        Field.model_validate({"name": name, "type": kind, "source": source})
        for name, kind, source in [
            ("body", "text", "dataset"),
            ("verdict", "boolean", "input"),
            ("picture", "file", "dataset"),
        ]
    )
    pipeline = Pipeline(
        id=7,
        name="label-reviews",
        project_id=3,
        project="reviews",
        organization_id=2,
        organization="acme",
        status=PipelineStatus.ACTIVE,
        fields=(given, chosen, picture),
    )
    assert (pipeline.path, pipeline.dataset_fields, pipeline.file_fields) == (
        "acme/reviews/label-reviews",
        (given, picture),
        (picture,),
    )
