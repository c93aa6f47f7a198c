"""What a Prefect server holds of a flow run, for tests."""

import time
from datetime import datetime
from typing import Any

import httpx
from prefect.events.worker import EventsWorker


def run_of(prefect: httpx.Client, state: Any) -> Any:
    return prefect.get(f"/flow_runs/{state.state_details.flow_run_id}").json()


def artifacts_of(prefect: httpx.Client, run: Any) -> list[tuple[str, str]]:
    """Return type and data of the run's artifacts, in the order in which they were made."""
    chosen = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    found = prefect.post("/artifacts/filter", json=chosen).json()
    found.sort(key=lambda artifact: artifact["created"])
    return [(artifact["type"], artifact["data"]) for artifact in found]


def events_of(prefect: httpx.Client, name: str, run: Any) -> list[Any]:
    """Return the events of this name that the run has emitted, once there is any."""
    EventsWorker.instance().wait_until_empty()
    deadline = time.monotonic() + 20
    while True:
        found = arrived_events(prefect, name, run)
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def arrived_events(prefect: httpx.Client, name: str, run: Any) -> list[Any]:
    """Return the events of this name that have come from the run by now."""
    related = {"id": [f"prefect.flow-run.{run['id']}"]}
    chosen = {"filter": {"event": {"name": [name]}, "related": related}, "limit": 50}
    found: list[Any] = prefect.post("/events/filter", json=chosen).json()["events"]
    return found


def steps_of(prefect: httpx.Client, run: Any) -> list[tuple[str, str]]:
    """Return name and end state of the run's steps, in the order in which they began."""
    chosen = {"task_runs": {"flow_run_id": {"any_": [run["id"]]}}}
    found = prefect.post("/task_runs/filter", json=chosen).json()
    found.sort(key=lambda step: step["start_time"])
    return [(step["name"], step["state_name"]) for step in found]


def events_about(prefect: httpx.Client, resource: str, since: datetime) -> dict[str, Any]:
    """Return the payloads of the events of a resource by name, once there is any."""
    chosen = {
        "filter": {
            "resource": {"id": [resource]},
            "occurred": {"since": since.isoformat()},
        },
        "limit": 50,
    }
    deadline = time.monotonic() + 20
    while True:
        events = prefect.post("/events/filter", json=chosen).json()["events"]
        if events or time.monotonic() > deadline:
            return {event["event"]: event["payload"] for event in events}
        time.sleep(0.2)
