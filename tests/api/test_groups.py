"""Groups over HTTP: listed page by page, shown with their counts, and undone."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api_requests import BASE, BLANK, GOOD, OTHER, TASKS, WORKFLOW, NewKey, error_of, tasks
from people import NO_TASKS
from tasks_lib.api.app import create_app
from tasks_lib.operations.groups.undo import continue_undos
from tasks_lib.operations.workspace import Workspace

ANN = {"contributor": "ann@example.org"}
GROUPS = f"{WORKFLOW}/groups"
NONE = {status.value: 0 for status in NO_TASKS}


@pytest.fixture
def client(workspace: Workspace, key: str) -> TestClient:
    """A client of a workflow with two groups: one of two tasks, and one of one task."""
    client = TestClient(create_app(workspace), headers={"X-API-Key": key})
    assert client.post(TASKS, json=tasks(GOOD, GOOD)).status_code == 201
    assert client.post(TASKS, json=tasks(GOOD)).status_code == 201
    return client


def without_times(group: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in group.items()
        if name not in {"created_at", "undone_at", "finished_at", "source"}
    }


def test_groups_are_listed_page_by_page_with_their_counts(client: TestClient) -> None:
    first = client.get(GROUPS, params={"limit": 1}).json()
    assert ([group["id"] for group in first["items"]], first["next"]) == ([1], 1)
    rest = client.get(GROUPS, params={"after": first["next"]}).json()
    assert [without_times(group) for group in rest["items"]] == [
        {
            "id": 2, "workflow_id": 1, "kind": "api", "state": "created",
            "task_counts": NONE | {"pending": 1}, "task_total": 1, "rejected": 0, "removed": 0,
            "expired": 0, "undone_by": None, "name": None, "labels": {},
        }
    ]  # fmt: skip
    assert rest["next"] is None


def test_a_group_is_undone_by_the_key_after_a_rehearsal(client: TestClient) -> None:
    client.post(f"{TASKS}/claim", json=ANN)
    rehearsed = client.delete(f"{BASE}/groups/1", params={"dry_run": True})
    undone = client.delete(f"{BASE}/groups/1")
    numbers = {
        "group_id": 1, "workflow_id": 1, "removed": 1, "kept": 1,
        "kept_tasks": [{"task_id": 1, "status": "in_progress"}],
    }  # fmt: skip
    assert (rehearsed.status_code, rehearsed.json()) == (
        200, numbers | {"state": "created", "dry_run": True},
    )  # fmt: skip
    assert (undone.status_code, undone.json()) == (
        200, numbers | {"state": "undone", "dry_run": False},
    )  # fmt: skip
    assert client.delete(f"{BASE}/groups/1").json() == undone.json()
    group = client.get(f"{BASE}/groups/1").json()
    assert (group["state"], group["undone_by"], group["removed"]) == ("undone", "key t", 1)
    assert group["task_counts"] == NONE | {"in_progress": 1}
    assert client.get(WORKFLOW).json()["task_total"] == 2


def test_an_undo_that_takes_long_goes_on_after_the_answer(
    client: TestClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks_lib.api.routes.groups._UNDO_SECONDS", 0.0)
    answer = client.delete(f"{BASE}/groups/1")
    place = answer.headers["Location"]
    assert (answer.status_code, answer.json()["state"]) == (202, "undoing")
    assert (place, client.get(place).json()["state"]) == (f"{BASE}/groups/1", "undoing")
    assert continue_undos(workspace.store, at=workspace.store.now()) == 1
    assert client.get(place).json()["state"] == "undone"


def test_a_group_of_infinite_seeding_cannot_be_undone(client: TestClient) -> None:
    made = client.post(f"{WORKFLOW}/infinite", json={"keep_available": 9, "copy_groups": [1]})
    assert error_of(client.delete(f"{BASE}/groups/{made.json()['group_id']}")) == (
        409, "group_in_use",
    )  # fmt: skip


@pytest.mark.parametrize("group_id", ["9", "0", "x", "9" * 30])
def test_a_missing_group_is_not_found(client: TestClient, group_id: str) -> None:
    for method in ("GET", "DELETE"):
        response = client.request(method, f"{BASE}/groups/{group_id}")
        assert error_of(response) == (404, "not_found")


def test_another_organizations_group_is_not_found(client: TestClient, new_key: NewKey) -> None:
    key = {"X-API-Key": new_key("other")}
    theirs = client.post(f"{BASE}/workflows/{OTHER}/tasks", json=tasks(GOOD), headers=key)
    group_id = theirs.json()["group_id"]
    assert client.get(f"{BASE}/groups/{group_id}", headers=key).status_code == 200
    for method in ("GET", "DELETE"):
        response = client.request(method, f"{BASE}/groups/{group_id}")
        assert error_of(response) == (404, "not_found")


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "after=-1", "page=1"])
def test_an_invalid_parameter_is_refused(client: TestClient, query: str) -> None:
    assert error_of(client.get(f"{GROUPS}?{query}")) == (422, "invalid_request")


@pytest.mark.parametrize("query", ["dry_run=1", "dry_run=", "flows_again=yes", "force=true"])
def test_an_invalid_option_of_an_undo_is_refused(client: TestClient, query: str) -> None:
    response = client.delete(f"{BASE}/groups/1?{query}")
    assert error_of(response) == (422, "invalid_request")
    assert client.get(f"{BASE}/groups/1").json()["state"] == "created"


def test_requests_name_the_groups_of_their_tasks(workspace: Workspace, new_key: NewKey) -> None:
    client = TestClient(create_app(workspace), headers={"X-API-Key": new_key()})
    query = {"name": "late ones", "label": ["batch=night", "team=a"]}
    naming = {"name": "late ones", "labels": {"batch": "night", "team": "a"}}
    created = [
        client.post(TASKS, json=tasks(GOOD), params=query),
        client.post(f"{BASE}/workflows/{BLANK}/tasks/bulk", json={"count": 2} | naming),
    ]
    for response in created:
        assert response.status_code == 201, response.text
        group = client.get(f"{BASE}/groups/{response.json()['group_id']}").json()
        assert {name: group[name] for name in naming} == naming


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"label": "night"}, tasks(GOOD)),
        ({"name": " x"}, tasks(GOOD)),
        ({"labels": "a=b"}, tasks(GOOD)),
    ],
)
def test_a_wrong_name_or_label_creates_nothing(
    client: TestClient, query: dict[str, str], body: dict[str, Any]
) -> None:
    assert error_of(client.post(TASKS, json=body, params=query)) == (422, "invalid_request")
    assert len(client.get(GROUPS).json()["items"]) == 2


def test_a_label_that_is_no_string_is_refused(client: TestClient) -> None:
    response = client.post(f"{TASKS}/bulk", json={"count": 1, "labels": {"batch": 1}})
    assert error_of(response) == (422, "malformed_body")
    assert response.json()["detail"] == "the label 'batch' must be a string; it is a number"


def test_the_same_request_under_another_name_is_another_request(client: TestClient) -> None:
    headers = {"Idempotency-Key": "one"}
    first = client.post(TASKS, json=tasks(GOOD), params={"name": "a"}, headers=headers)
    again = client.post(TASKS, json=tasks(GOOD), params={"name": "a"}, headers=headers)
    other = client.post(TASKS, json=tasks(GOOD), params={"name": "b"}, headers=headers)
    assert first.json() == again.json()
    assert error_of(other) == (409, "idempotency_key_reused")
