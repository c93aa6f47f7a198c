"""The events that report commits to Prefect."""

from typing import Any
from uuid import UUID

import pytest

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.events import (
    GROUP_CREATED,
    GROUP_REJECTED,
    ROWS_REJECTED,
    Event,
    report_events,
)
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
CREATED = Report(group_id=12, pipeline_id=7, created=2, source="s3://b/reviews.csv")
ERROR = ReportError(row=1, field="stars", code="above_maximum", message="too many")
SKIPPED = CREATED.model_copy(
    update={"rejected": 1, "rejects_uri": "s3://b/rejects/1.csv", "errors": (ERROR,)}
)
REJECTED = Report(
    pipeline_id=7,
    rejected=1,
    source="s3://b/reviews.csv",
    rejects_uri="s3://b/rejects/1.csv",
    errors=(ERROR,),
)
PAGE = "http://prefect/runs/flow-run/1"
OF_PIPELINE = {"pipeline_id": 7, "pipeline": "acme/reviews/label-reviews"}


def payloads(report: Report, run_url: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the payloads of a report's events by name."""
    return {event.event: event.payload for event in report_events(PIPELINE, report, "1", run_url)}


def test_the_names_of_the_events_are_those_of_the_contract() -> None:
    assert (GROUP_CREATED, GROUP_REJECTED, ROWS_REJECTED) == (
        "seeding.group.created", "seeding.group.rejected", "seeding.rows.rejected",
    )  # fmt: skip


def test_the_event_of_a_group_names_its_pipeline_project_and_organization() -> None:
    assert report_events(PIPELINE, CREATED, "run-1") == [
        Event(
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
            payload=OF_PIPELINE
            | {
                "group_id": 12,
                "created": 2,
                "rejected": 0,
                "source": "s3://b/reviews.csv",
                "message": "'reviews.csv' created 2 tasks in group 12.",
            },
        )
    ]


def test_rejected_rows_are_announced_beside_their_group() -> None:
    counts = OF_PIPELINE | {
        "group_id": 12, "created": 2, "rejected": 1, "source": "s3://b/reviews.csv",
        "rejects_uri": "s3://b/rejects/1.csv", "run_url": PAGE,
    }  # fmt: skip
    message = "'reviews.csv' created 2 tasks in group 12, 1 row rejected"
    assert payloads(SKIPPED, PAGE) == {
        "seeding.group.created": counts | {"message": f"{message}."},
        "seeding.rows.rejected": counts
        | {
            "message": f"{message}; the first: row 1, stars: too many.",
            "code": "above_maximum",
        },
    }


def test_a_rejected_source_and_its_rows_are_announced() -> None:
    payload = OF_PIPELINE | {
        "group_id": None, "created": 0, "rejected": 1, "source": "s3://b/reviews.csv",
        "message": "'reviews.csv' was rejected, nothing was created: 1 row rejected; "
        "row 1, stars: too many.",
        "code": "above_maximum", "rejects_uri": "s3://b/rejects/1.csv",
    }  # fmt: skip
    assert payloads(REJECTED) == {
        "seeding.group.rejected": payload,
        "seeding.rows.rejected": payload,
    }


def test_a_source_that_was_rejected_unread_has_no_rejected_rows() -> None:
    problem = ReportError(row=None, field=None, code="empty_file", message="the file is empty")
    report = Report(pipeline_id=7, source="s3://b/reviews.csv", errors=(problem,))
    assert payloads(report) == {
        "seeding.group.rejected": OF_PIPELINE
        | {
            "group_id": None, "created": 0, "rejected": 0, "source": "s3://b/reviews.csv",
            "message": "'reviews.csv' was rejected, nothing was created: the file is empty.",
            "code": "empty_file",
        }
    }  # fmt: skip


def test_rejected_rows_beside_rows_that_were_seeded_before_are_announced() -> None:
    report = REJECTED.model_copy(update={"already_seeded": 5})
    assert list(payloads(report)) == ["seeding.rows.rejected"]


def test_nothing_is_announced_if_nothing_happened() -> None:
    report = Report(group_id=12, pipeline_id=7, already_seeded=2, source="s3://b/reviews.csv")
    assert (payloads(report), report.is_news) == ({}, False)


@pytest.mark.parametrize("report", [CREATED, SKIPPED, REJECTED])
def test_a_report_with_events_is_news_unless_it_is_of_a_dry_run(report: Report) -> None:
    assert report.is_news
    assert not report.model_copy(update={"dry_run": True}).is_news


def test_the_same_report_and_run_make_the_same_events() -> None:
    assert report_events(PIPELINE, SKIPPED, "run-1") == report_events(PIPELINE, SKIPPED, "run-1")


@pytest.mark.parametrize(
    ("report", "run_id"),
    [
        pytest.param(SKIPPED, "run-2", id="another run"),
        pytest.param(SKIPPED.model_copy(update={"group_id": 13}), "run-1", id="another group"),
        pytest.param(REJECTED, "run-1", id="a rejection"),
    ],
)
def test_another_report_or_run_makes_other_events(report: Report, run_id: str) -> None:
    first = {event.id for event in report_events(PIPELINE, SKIPPED, "run-1")}
    assert len(first) == 2
    assert first.isdisjoint(event.id for event in report_events(PIPELINE, report, run_id))
