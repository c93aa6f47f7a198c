"""Queries for the data of a flow run on a Prefect server."""

import uuid
from datetime import datetime
from typing import Any

import httpx
from prefect import flow, task
from prefect.context import TaskRunContext
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from servers import wait_until


def run_of(prefect: httpx.Client, state: Any) -> Any:
    return prefect.get(f"/flow_runs/{state.state_details.flow_run_id}").json()


def artifacts_of(prefect: httpx.Client, run: Any) -> list[tuple[str, str]]:
    """Return type and data of the run's artifacts, in order of creation."""
    chosen = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    artifacts = prefect.post("/artifacts/filter", json=chosen).json()
    artifacts.sort(key=lambda artifact: artifact["created"])
    return [(artifact["type"], artifact["data"]) for artifact in artifacts]


def events_of(prefect: httpx.Client, name: str, run: Any) -> list[Any]:
    """Wait for an event of this name from the run, and return all that have arrived."""
    EventsWorker.instance().wait_until_empty()
    wait_until(lambda: query_events(prefect, name, run) != [])
    return query_events(prefect, name, run)


def query_events(prefect: httpx.Client, name: str, run: Any) -> list[Any]:
    """Return the events of this name that have arrived from the run so far."""
    related = {"id": [f"prefect.flow-run.{run['id']}"]}
    chosen = {"filter": {"event": {"name": [name]}, "related": related}, "limit": 50}
    events: list[Any] = prefect.post("/events/filter", json=chosen).json()["events"]
    return events


def steps_of(prefect: httpx.Client, run: Any) -> list[tuple[str, str]]:
    """Return name and end state of the run's steps, in the order of their start."""
    steps = _recorded_steps(prefect, run)
    steps.sort(key=lambda step: step["start_time"])
    return [(step["name"], step["state_name"]) for step in steps]


def attempts_of(prefect: httpx.Client, run: Any) -> dict[str, int]:
    """Return how often each step of the run was attempted."""
    return {step["name"]: step["run_count"] for step in _recorded_steps(prefect, run)}


def _recorded_steps(prefect: httpx.Client, run: Any) -> list[dict[str, Any]]:
    """Return the task runs of a flow run, once the server has recorded all of their states."""
    wait_for_recorder(prefect)
    chosen = {"task_runs": {"flow_run_id": {"any_": [run["id"]]}}}
    steps: list[dict[str, Any]] = prefect.post("/task_runs/filter", json=chosen).json()
    return steps


def wait_for_recorder(prefect: httpx.Client) -> None:
    """Wait until the server has recorded the states of all task runs so far.

    It learns of them from events and records these in order, so a later task run marks the end. If
    a flow run is deleted before that, the server drops its events, and others together with them.
    """
    marker: uuid.UUID = _mark()
    EventsWorker.instance().wait_until_empty()
    wait_until(lambda: _state_of(prefect, marker) == "COMPLETED")


@flow(name="marker")
def _mark() -> uuid.UUID:
    return _get_id()


@task
def _get_id() -> uuid.UUID:
    """Return the id of this task run."""
    context = TaskRunContext.get()
    assert context is not None
    return context.task_run.id


def _state_of(prefect: httpx.Client, task_run_id: uuid.UUID) -> str | None:
    answer = prefect.get(f"/task_runs/{task_run_id}")
    return answer.json()["state_type"] if answer.is_success else None


def logs_of(prefect: httpx.Client, run: Any) -> list[tuple[int, str]]:
    """Return level and message of the run's log records, once all have arrived."""
    APILogWorker.instance().drain()
    chosen = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "TIMESTAMP_ASC"}
    logs = prefect.post("/logs/filter", json=chosen).json()
    return [(log["level"], log["message"]) for log in logs]


def events_about(
    prefect: httpx.Client, resource: str, names: list[str], *, since: datetime
) -> dict[str, Any]:
    """Wait until a resource has an event of each name; return the payloads of all by name."""
    chosen = {
        "filter": {
            "resource": {"id": [resource]},
            "occurred": {"since": since.isoformat()},
        },
        "limit": 50,
    }

    def payloads() -> dict[str, Any]:
        arrived = prefect.post("/events/filter", json=chosen).json()["events"]
        return {event["event"]: event["payload"] for event in arrived}

    wait_until(lambda: set(names) <= set(payloads()))
    return payloads()
