"""Chains over HTTP: create, edit, pause, explain and delete, within one organization."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api_requests import BASE, GOOD, OTHER, TASKS, NewKey, error_of, tasks
from tasks_lib.api.app import create_app
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.chains.manage import Automations, Chain, record_automation
from tasks_lib.operations.workspace import Workspace

CHAINS = f"{BASE}/chains"
TARGET = 6
CATALOGUE = """
organizations:
  - name: acme
    projects:
      - name: qa
        pipelines:
          - name: check
            fields:
              - {name: review_id, type: text, source: dataset}
              - {name: sentiment, type: text, source: dataset, required: false}
              - {name: is_right, type: boolean, source: input}
"""
NO_CHAINS: dict[str, Any] = {"items": [], "next": None, "has_more": False}
NEW = {"target": TARGET, "source": 1, "on": "task-completion"}
MADE = {
    "id": 1, "name": "chain: reviews/label-reviews -> qa/check on task completion",
    "target": TARGET, "source": 1, "on": "task-completion", "mapping": {}, "skip": [],
    "is_paused": False, "waiting": 0, "misfits": 0, "oldest_waiting_at": None, "looked_at": None,
    "fired_at": None, "error_code": None, "error_message": None, "automation_id": "automation-1",
}  # fmt: skip


class Prefect:
    """A fake Prefect that records its calls and gives each chain an automation."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, bool]] = []

    def ensure(self, workspace: Workspace, chain: Chain) -> None:
        self.asked.append(("ensure", chain.id, chain.is_paused))
        record_automation(workspace.store, chain.id, f"automation-{chain.id}", is_enabled=True)

    def remove(self, chain: Chain) -> None:
        self.asked.append(("remove", chain.id, chain.is_paused))


@pytest.fixture
def prefect() -> Prefect:
    return Prefect()


@pytest.fixture
def client(
    workspace: Workspace, key: str, prefect: Prefect, tmp_path: Path
) -> Iterator[TestClient]:
    """A client of an organization with a pipeline that chains can target."""
    path = tmp_path / "qa.yaml"
    path.write_text(CATALOGUE, encoding="utf-8")
    apply_catalogue(workspace.store, path)
    app = create_app(workspace, automations=Automations(prefect.ensure, prefect.remove))
    with TestClient(app, headers={"X-API-Key": key}) as client:
        yield client


def without_creation_time(document: dict[str, Any]) -> dict[str, Any]:
    """Return a chain without its creation time."""
    return {name: value for name, value in document.items() if name != "created_at"}


def test_a_chain_is_created_with_its_automation_listed_and_explained(
    client: TestClient, prefect: Prefect
) -> None:
    response = client.post(CHAINS, json=NEW)
    assert (response.status_code, without_creation_time(response.json())) == (201, MADE)
    assert client.get(CHAINS).json() == {
        "items": [response.json()],
        "next": None,
        "has_more": False,
    }
    assert client.get(f"{CHAINS}/1").json() == response.json() | {
        "reasons": ["no finished task waits for it"], "unfit_tasks": [],
    }  # fmt: skip
    assert prefect.asked == [("ensure", 1, False)]


def test_tasks_finished_earlier_count_on_request(client: TestClient) -> None:
    client.post(TASKS, json=tasks(GOOD))
    client.post(f"{TASKS}/claim", json={"contributor": "ann"})
    client.post(f"{TASKS}/1/submit", json={"contributor": "ann", "fields": {"sentiment": "good"}})
    assert client.post(CHAINS, json=NEW | {"include_existing": True}).json()["waiting"] == 1


def test_a_chain_is_edited_paused_resumed_and_deleted(client: TestClient, prefect: Prefect) -> None:
    client.post(CHAINS, json=NEW)
    edited = client.post(
        f"{CHAINS}/1", json={"on": "pipeline-completion", "mapping": {"review_id": "body"}}
    )
    assert (edited.json()["on"], edited.json()["mapping"]) == (
        "pipeline-completion", {"review_id": "body"},
    )  # fmt: skip
    assert client.post(f"{CHAINS}/1/pause").json()["is_paused"] is True
    assert client.post(f"{CHAINS}/1/resume").json()["is_paused"] is False
    assert client.delete(f"{CHAINS}/1").json()["id"] == 1
    assert client.get(CHAINS).json() == NO_CHAINS
    assert prefect.asked == [
        ("ensure", 1, False), ("ensure", 1, False), ("ensure", 1, True), ("ensure", 1, False),
        ("remove", 1, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (NEW | {"on": "whenever"}, (422, "invalid_request")),
        (NEW | {"target": 99}, (404, "not_found")),
        (NEW | {"source": OTHER}, (404, "not_found")),
        (NEW | {"target": 1}, (422, "invalid_request")),
        (NEW | {"mapping": {"review_id": "nothing"}}, (422, "chain_rejected")),
        (NEW | {"mapping": {"review_id": 1}}, (422, "malformed_body")),
        (NEW | {"skip": [1]}, (422, "malformed_body")),
        ({"target": TARGET}, (422, "malformed_body")),
    ],
)
def test_an_impossible_chain_is_refused(
    client: TestClient, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert error_of(client.post(CHAINS, json=body)) == expected
    assert client.get(CHAINS).json() == NO_CHAINS


def test_a_duplicate_chain_is_refused(client: TestClient) -> None:
    client.post(CHAINS, json=NEW)
    assert error_of(client.post(CHAINS, json=NEW)) == (422, "chain_rejected")


def test_a_chain_of_another_organization_is_not_found(client: TestClient, new_key: NewKey) -> None:
    client.post(CHAINS, json=NEW)
    theirs = {"X-API-Key": new_key("other")}
    assert client.get(CHAINS, headers=theirs).json() == NO_CHAINS
    calls = [("POST", f"/1{act}") for act in ("", "/pause", "/resume")]
    for method, path in (("GET", "/1"), *calls, ("DELETE", "/1")):
        answer = client.request(method, f"{CHAINS}{path}", headers=theirs)
        assert error_of(answer) == (404, "not_found")
        absent = client.request(method, f"{CHAINS}{path.replace('1', '9')}", headers=theirs)
        assert absent.text.replace("9", "1") == answer.text
    assert without_creation_time(client.get(f"{CHAINS}/1").json())["is_paused"] is False
