"""The events that tell Prefect what was committed."""

from uuid import UUID

import pytest

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.events import GROUP_CREATED, GROUP_REJECTED, Event, group_event
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.domain.statuses import PipelineStatus

PIPELINE = Pipeline(
    id=7,
    name="label-reviews",
    project_id=3,
    project="reviews",
    organization_id=2,
    organization="acme",
    status=PipelineStatus.ACTIVE,
)
CREATED = Report(group_id=12, pipeline_id=7, created=2, rejected=1, source="s3://b/reviews.csv")
REJECTED = Report(
    pipeline_id=7,
    rejected=1,
    source="s3://b/reviews.csv",
    errors=(ReportError(row=1, field="stars", code="above_maximum", message="too many"),),
)


def test_the_names_of_the_events_are_those_of_the_contract() -> None:
    assert (GROUP_CREATED, GROUP_REJECTED) == ("seeding.group.created", "seeding.group.rejected")


def test_a_complete_group_is_told_with_its_pipeline_project_and_organization() -> None:
    assert group_event(PIPELINE, CREATED, "run-1") == Event(
        id=UUID("e98ce9bc-9c7a-516a-8860-83cde9adf2f4"),
        event="seeding.group.created",
        resource={
            "prefect.resource.id": "seeding.pipeline.7",
            "prefect.resource.name": "acme/reviews/label-reviews",
        },
        related=[
            {
                "prefect.resource.id": "seeding.project.3",
                "prefect.resource.role": "project",
                "prefect.resource.name": "reviews",
            },
            {
                "prefect.resource.id": "seeding.organization.2",
                "prefect.resource.role": "organization",
                "prefect.resource.name": "acme",
            },
        ],
        payload={
            "group_id": 12,
            "pipeline_id": 7,
            "created": 2,
            "rejected": 1,
            "source": "s3://b/reviews.csv",
        },
    )


def test_a_source_that_was_turned_away_is_told_as_rejected() -> None:
    event = group_event(PIPELINE, REJECTED, "run-1")
    assert (event.event, event.resource["prefect.resource.id"], event.payload) == (
        "seeding.group.rejected",
        "seeding.pipeline.7",
        {
            "group_id": None,
            "pipeline_id": 7,
            "created": 0,
            "rejected": 1,
            "source": "s3://b/reviews.csv",
        },
    )


def test_the_same_act_told_twice_is_the_same_event() -> None:
    assert group_event(PIPELINE, CREATED, "run-1") == group_event(PIPELINE, CREATED, "run-1")


@pytest.mark.parametrize(
    ("report", "run_id"),
    [
        pytest.param(CREATED, "run-2", id="another run"),
        pytest.param(CREATED.model_copy(update={"group_id": 13}), "run-1", id="another group"),
        pytest.param(REJECTED, "run-1", id="a rejection"),
    ],
)
def test_another_act_is_another_event(report: Report, run_id: str) -> None:
    first = group_event(PIPELINE, CREATED, "run-1")
    assert group_event(PIPELINE, report, run_id).id != first.id
