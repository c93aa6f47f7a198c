"""The events that tell Prefect what was committed: their names, resources and payloads."""

from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.report import Report

GROUP_CREATED: Final = "seeding.group.created"
GROUP_REJECTED: Final = "seeding.group.rejected"

_NAMESPACE: Final = UUID("7a8a1da3-c061-4699-976b-56fc03889109")


class Event(NamedTuple):
    """An event as Prefect takes it: names, labels and JSON; the same act has the same id."""

    id: UUID
    event: str
    resource: dict[str, str]
    related: list[dict[str, str]]
    payload: dict[str, Any]


def group_event(pipeline: Pipeline, report: Report, run_id: str) -> Event:
    """Tell of a group that is complete, or of a source that was turned away."""
    name = GROUP_REJECTED if report.is_rejection else GROUP_CREATED
    payload = report.model_dump(
        mode="json", include={"group_id", "pipeline_id", "created", "rejected", "source"}
    )
    return Event(
        id=uuid5(_NAMESPACE, f"{name}/{report.group_id}/{run_id}"),
        event=name,
        resource={
            "prefect.resource.id": f"seeding.pipeline.{pipeline.id}",
            "prefect.resource.name": pipeline.path,
        },
        related=[
            {
                "prefect.resource.id": f"seeding.project.{pipeline.project_id}",
                "prefect.resource.role": "project",
                "prefect.resource.name": pipeline.project,
            },
            {
                "prefect.resource.id": f"seeding.organization.{pipeline.organization_id}",
                "prefect.resource.role": "organization",
                "prefect.resource.name": pipeline.organization,
            },
        ],
        payload=payload,
    )
