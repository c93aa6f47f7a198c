"""The events that tell Prefect what was committed: their names, resources and payloads."""

from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.report import Report

GROUP_CREATED: Final = "seeding.group.created"
GROUP_REJECTED: Final = "seeding.group.rejected"
TASKS_CLAIMED: Final = "seeding.tasks.claimed"
TASKS_FINISHED: Final = "seeding.tasks.finished"
PIPELINE_FINISHED: Final = "seeding.pipeline.finished"
INFINITE_TARGET_REACHED: Final = "seeding.infinite.target_reached"

_NAMESPACE: Final = UUID("7a8a1da3-c061-4699-976b-56fc03889109")


class Event(NamedTuple):
    """An event as Prefect takes it: names, labels and JSON; the same act has the same id."""

    id: UUID
    event: str
    resource: dict[str, str]
    related: list[dict[str, str]]
    payload: dict[str, Any]


def group_event(pipeline: Pipeline, report: Report, act: str) -> Event:
    """Tell of a group that is complete, or of a source that was turned away.

    ``act`` tells this group or run from those of the same number in another store.
    """
    name = GROUP_REJECTED if report.is_rejection else GROUP_CREATED
    payload = report.model_dump(
        mode="json", include={"group_id", "pipeline_id", "created", "rejected", "source"}
    )
    return _event(pipeline, name, f"{report.group_id}/{act}", payload)


def tasks_claimed_event(pipeline: Pipeline, count: int, claims: int, act: str) -> Event:
    """Tell of ``count`` claims since the last such event; ``claims`` are all there ever were."""
    payload = {"pipeline_id": pipeline.id, "count": count, "claims": claims}
    return _event(pipeline, TASKS_CLAIMED, f"{pipeline.id}/{act}", payload)


def tasks_finished_event(pipeline: Pipeline, count: int, finished: int, act: str) -> Event:
    """Tell of ``count`` tasks finished since the last such event, of ``finished`` in all."""
    payload = {"pipeline_id": pipeline.id, "count": count, "finished": finished}
    return _event(pipeline, TASKS_FINISHED, f"{pipeline.id}/{act}", payload)


def pipeline_finished_event(pipeline: Pipeline, finished: int, act: str) -> Event:
    """Tell that all of the pipeline's tasks are finished, ``finished`` of them."""
    payload = {"pipeline_id": pipeline.id, "finished": finished}
    return _event(pipeline, PIPELINE_FINISHED, f"{pipeline.id}/{act}", payload)


def target_reached_event(pipeline: Pipeline, target: int, act: str) -> Event:
    """Tell that infinite seeding has made as many tasks as the pipeline shall ever hold."""
    payload = {"pipeline_id": pipeline.id, "target": target}
    return _event(pipeline, INFINITE_TARGET_REACHED, f"{pipeline.id}/{act}", payload)


def _event(pipeline: Pipeline, name: str, act: str, payload: dict[str, Any]) -> Event:
    return Event(
        id=uuid5(_NAMESPACE, f"{name}/{act}"),
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
