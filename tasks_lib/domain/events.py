"""The events that are sent to Prefect after a commit: names, resources and payloads."""

from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.names import counted
from tasks_lib.domain.naming import UNNAMED, Naming
from tasks_lib.domain.report import Report
from tasks_lib.errors import Problem

GROUP_CREATED: Final = "seeding.group.created"
GROUP_UNDONE: Final = "seeding.group.undone"
GROUP_REJECTED: Final = "seeding.group.rejected"
GROUP_FINISHED: Final = "seeding.group.finished"
ROWS_REJECTED: Final = "seeding.rows.rejected"
CHAIN_DUE: Final = "seeding.chain.due"
TASKS_CLAIMED: Final = "seeding.tasks.claimed"
TASKS_FINISHED: Final = "seeding.tasks.finished"
PIPELINE_FINISHED: Final = "seeding.pipeline.finished"
INFINITE_TARGET_REACHED: Final = "seeding.infinite.target_reached"
CHAIN_FAILED: Final = "seeding.chain.failed"
RESULTS_EXPORTED: Final = "seeding.results.exported"

EVENTS: Final[dict[str, str]] = {
    GROUP_CREATED: "A group is complete and its tasks can be claimed.",
    GROUP_REJECTED: "Validation rejected a source, so that no group was created.",
    GROUP_UNDONE: "A group was undone: `removed` tasks were removed, and `kept` tasks, on which "
    "somebody has worked, were kept.",
    GROUP_FINISHED: "All tasks of a group are finished or withdrawn, and none is blocked. A group "
    "that is reopened, because a task is put back or tasks are added, can finish again.",
    ROWS_REJECTED: "Rows were rejected: with the whole source, or left out of a group that was "
    "created.",
    TASKS_CLAIMED: "Tasks were claimed: `count` since the last event, `claims` in total. "
    "At most one event a second for a pipeline.",
    TASKS_FINISHED: "Tasks were finished: `count` since the last event, `finished` in total. "
    "At most one event a second for a pipeline.",
    PIPELINE_FINISHED: "All tasks of a pipeline are finished or withdrawn.",
    CHAIN_DUE: "Tasks wait for a chain and no run is firing chains: the automation of the chain in "
    "`related` starts a run, which fires all chains.",
    INFINITE_TARGET_REACHED: "Infinite seeding has created as many tasks as its target allows.",
    CHAIN_FAILED: "A chain cannot create tasks, for example because the source lacks a column. "
    "The event is emitted once for each reason. Its resource is the target pipeline.",
    RESULTS_EXPORTED: "A run of an export has brought `exported` finished tasks to `destination`.",
}
"""Every event and when it is emitted."""

_NAMESPACE: Final = UUID("7a8a1da3-c061-4699-976b-56fc03889109")


class Event(NamedTuple):
    """An event in Prefect's form; the id is the same whenever the same act is announced again."""

    id: UUID
    event: str
    resource: dict[str, str]
    related: list[dict[str, str]]
    payload: dict[str, Any]


def report_events(
    pipeline: Pipeline,
    report: Report,
    act: str,
    run_url: str | None = None,
    naming: Naming = UNNAMED,
) -> list[Event]:
    """Return the events of a seeding: of its group or rejection, and of its rejected rows.

    ``act`` identifies the group or run across stores, whose numbers are not unique. ``run_url`` is
    the page of the flow run, if there is one. ``naming`` is the group's, or would have been.
    """
    names = []
    if report.is_rejection:
        names.append(GROUP_REJECTED)
    elif report.created:
        names.append(GROUP_CREATED)
    if report.rejected:
        names.append(ROWS_REJECTED)
    identity = f"{report.group_id}/{act}"
    return [
        _event(pipeline, name, identity, _report_payload(name, report, run_url) | naming.members)
        for name in names
    ]


def _report_payload(name: str, report: Report, run_url: str | None) -> dict[str, Any]:
    counts = report.model_dump(
        mode="json", include={"group_id", "pipeline_id", "created", "rejected", "source"}
    )
    facts = {
        "code": None if name == GROUP_CREATED else report.code,
        "rejects_uri": report.rejects_uri,
        "run_url": run_url,
    }
    message = report.alert if name == ROWS_REJECTED else report.sentence
    known = {member: value for member, value in facts.items() if value is not None}
    return counts | {"message": message} | known


def results_exported_event(
    pipeline: Pipeline, *, destination: str, group_id: int | None, exported: int, until: int
) -> Event:
    """Return the event that finished tasks were exported; ``until`` tells the runs apart."""
    counts = {"pipeline_id": pipeline.id, "group_id": group_id, "exported": exported}
    message = f"Exported {counted(exported, 'task')} of {pipeline.path} to {destination}."
    payload = counts | {"destination": destination, "message": message}
    act = f"{destination}/{group_id or ''}/{until}"
    return _event(pipeline, RESULTS_EXPORTED, act, payload)


def group_undone_event(
    pipeline: Pipeline,
    group_id: int,
    *,
    removed: int,
    kept: int,
    by: str,
    act: str,
    naming: Naming = UNNAMED,
) -> Event:
    """Return the event that a group was undone, by whom, and how many tasks were kept."""
    message = f"Group {group_id} of {pipeline.path} undone by {by}: {counted(removed, 'task')} "
    message += f"removed, {kept:,} kept."
    counts = {"group_id": group_id, "pipeline_id": pipeline.id, "removed": removed, "kept": kept}
    payload = counts | {"by": by, "message": message} | naming.members
    return _event(pipeline, GROUP_UNDONE, f"{group_id}/{act}", payload)


def group_finished_event(
    pipeline: Pipeline,
    group_id: int,
    *,
    finished: int,
    withdrawn: int,
    act: str,
    naming: Naming = UNNAMED,
) -> Event:
    """Return the event that all tasks of a group are finished or withdrawn."""
    others = f", {withdrawn:,} withdrawn" if withdrawn else ""
    message = f"Group {group_id} of {pipeline.path} is finished: "
    message += f"{counted(finished, 'task')} finished{others}."
    counts = {"group_id": group_id, "finished": finished, "withdrawn": withdrawn}
    payload = counts | {"message": message} | naming.members
    return _event(pipeline, GROUP_FINISHED, f"{group_id}/{act}", payload)


def tasks_claimed_event(pipeline: Pipeline, count: int, claims: int, act: str) -> Event:
    """Return the event of ``count`` claims since the last one; ``claims`` is the total."""
    message = f"{counted(count, 'task')} of {pipeline.path} claimed."
    payload = {"count": count, "claims": claims, "message": message}
    return _event(pipeline, TASKS_CLAIMED, f"{pipeline.id}/{act}", payload)


def tasks_finished_event(pipeline: Pipeline, count: int, finished: int, act: str) -> Event:
    """Return the event of ``count`` tasks finished since the last one, of ``finished`` in total."""
    message = f"{counted(count, 'task')} of {pipeline.path} finished."
    payload = {"count": count, "finished": finished, "message": message}
    return _event(pipeline, TASKS_FINISHED, f"{pipeline.id}/{act}", payload)


def pipeline_finished_event(pipeline: Pipeline, finished: int, act: str) -> Event:
    """Return the event that all ``finished`` tasks of the pipeline are finished."""
    message = f"All {counted(finished, 'task')} of {pipeline.path} are finished."
    payload = {"finished": finished, "message": message}
    return _event(pipeline, PIPELINE_FINISHED, f"{pipeline.id}/{act}", payload)


def chain_due_event(source: Pipeline, chain_id: int, act: str) -> Event:
    """Return the event that wakes the chain, of which ``source`` is the source pipeline."""
    message = f"Finished tasks of {source.path} wait for chain {chain_id}."
    payload = {"chain_id": chain_id, "message": message}
    event = _event(source, CHAIN_DUE, f"{chain_id}/{act}", payload)
    chain = {"prefect.resource.id": chain_resource(chain_id), "prefect.resource.role": "chain"}
    return event._replace(related=[*event.related, chain])


def chain_resource(chain_id: int) -> str:
    """Return the id of a chain as a resource of Prefect."""
    return f"seeding.chain.{chain_id}"


def target_reached_event(pipeline: Pipeline, target: int, act: str) -> Event:
    """Return the event that infinite seeding has reached its target."""
    message = f"Infinite seeding of {pipeline.path} has reached its target, {target:,}."
    payload = {"target": target, "message": message}
    return _event(pipeline, INFINITE_TARGET_REACHED, f"{pipeline.id}/{act}", payload)


def chain_failed_event(
    target: Pipeline, source: str, chain_id: int, problem: Problem, act: str
) -> Event:
    """Return the event that a chain from the ``source`` pipeline into ``target`` cannot fire."""
    message = f"Chain {chain_id}, from {source} to {target.path}, has failed: {problem.message}."
    payload = {
        "chain_id": chain_id, "source": source, "message": message, "code": problem.code,
    }  # fmt: skip
    return _event(target, CHAIN_FAILED, f"{chain_id}/{act}", payload)


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
        payload={"pipeline_id": pipeline.id, "pipeline": pipeline.path} | payload,
    )
