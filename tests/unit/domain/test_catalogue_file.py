"""The catalogue file: accepted content, and reasons for refusal."""

import pytest
from pydantic import ValidationError

from catalogue_texts import (
    IN_PIPELINE,
    PIPELINE,
    read,
    read_pipeline,
    refusals,
)
from tasks_lib.domain.catalogue import (
    Catalogue,
    OrganizationEntry,
    Pipeline,
    PipelineEntry,
    ProjectEntry,
)
from tasks_lib.domain.fields import Field, FieldSource, FieldType
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


def test_the_catalogue_of_the_contract_is_read() -> None:
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


def test_a_pipeline_is_active_without_timeout_or_fields_by_default() -> None:
    assert read_pipeline("") == PipelineEntry(
        name="p", status=PipelineStatus.ACTIVE, claim_timeout=None, fields=()
    )


@pytest.mark.parametrize("status", ["draft", "active", "paused", "completed", "archived"])
def test_a_pipeline_can_have_each_status(status: str) -> None:
    assert read_pipeline(f"status: {status}").status == PipelineStatus(status)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("30m", 1_800),
        ("2h", 7_200),
        ("1d", 86_400),
        ("45", 45),
        ("'45'", 45),
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
        ("'0'", "'0'"),
        ("90.0", "90.0"),
        ("''", "''"),
        ("h", "'h'"),
        ("'+30s'", "'+30s'"),
        ("soon", "'soon'"),
        ("٣m", "'٣m'"),
    ],
)
def test_an_invalid_duration_is_refused(written: str, shown: str) -> None:
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
            [": organization 'acme' occurs twice"],
            id="an organization twice",
        ),
        pytest.param(
            "organizations: [{name: acme, projects: [{name: p}, {name: p}]}]",
            ["organizations.0: organization 'acme': project 'p' occurs twice"],
            id="a project twice",
        ),
        pytest.param(
            "organizations: [{name: a, projects: [{name: b, pipelines: [{name: c}, {name: c}]}]}]",
            ["organizations.0.projects.0: project 'b': pipeline 'c' occurs twice"],
            id="a pipeline twice",
        ),
        pytest.param(
            PIPELINE % "fields: [{name: f, type: text, source: input}, "
            "{name: f, type: date, source: dataset}]",
            [f"{IN_PIPELINE}: pipeline 'p': field 'f' occurs twice"],
            id="a field twice",
        ),
        pytest.param(
            PIPELINE % 'fields: [{name: "f g", type: text, source: input}, '
            '{name: "f\\u00a0g", type: text, source: input}]',
            [
                f"{IN_PIPELINE}: pipeline 'p': field 'f<U+00A0>g' (with U+00A0 no-break space) "
                "looks like 'f g'"
            ],
            id="two fields that look the same",
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
def test_an_invalid_catalogue_is_refused(text: str, mistakes: list[str]) -> None:
    assert refusals(text) == mistakes


def test_an_entry_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="Instance is frozen"):
        read_pipeline("").name = "q"  # type: ignore[misc]


def test_a_stored_pipeline_knows_its_path_and_the_fields_that_a_seeding_fills() -> None:
    body, verdict, picture = (
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
        fields=(body, verdict, picture),
    )
    assert (pipeline.path, pipeline.dataset_fields, pipeline.file_fields) == (
        "acme/reviews/label-reviews",
        (body, picture),
        (picture,),
    )
