"""Bulk creation of blank tasks over HTTP."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api_requests import BASE, BLANK, DRAFT, WORKFLOW, error_of
from people import counts, recount
from tasks_lib.operations.workspace import Workspace

PATH = "acme/kinds/blank"
BULK = f"{BASE}/workflows/{BLANK}/tasks/bulk"


def test_the_requested_number_of_tasks_is_created(client: TestClient, workspace: Workspace) -> None:
    answer = client.post(BULK, json={"count": 250})
    assert (answer.status_code, answer.json()) == (201, {"created": 250, "group_id": 1})
    page = client.get(f"{BASE}/workflows/{BLANK}/tasks?page_size=1").json()
    assert (page["total"], page["items"][0]["fields"]) == (250, {})
    assert page["items"][0]["origin"]["kind"] == "bulk"
    assert counts(workspace.store, PATH) == recount(workspace.store, PATH)


def test_the_same_key_creates_them_once(client: TestClient, workspace: Workspace) -> None:
    headers = {"Idempotency-Key": "december"}
    answers = [client.post(BULK, json={"count": 5}, headers=headers) for _ in range(3)]
    assert {answer.content for answer in answers} == {b'{"created":5,"group_id":1}'}
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [
        None, "true", "true",
    ]  # fmt: skip
    assert counts(workspace.store, PATH).total == 5
    other = client.post(BULK, json={"count": 6}, headers=headers)
    assert error_of(other) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"count": 0}, "count_out_of_range"),
        ({"count": 1_000_001}, "count_out_of_range"),
        ({"count": -1}, "invalid_request"),
        ({"count": 1.5}, "invalid_request"),
        ({"count": "5"}, "malformed_body"),
        ({"count": True}, "malformed_body"),
        ({}, "malformed_body"),
        ({"count": 5, "fields": {}}, "malformed_body"),
    ],
)
def test_an_invalid_count_is_refused(
    client: TestClient, workspace: Workspace, body: dict[str, Any], code: str
) -> None:
    assert error_of(client.post(BULK, json=body)) == (422, code)
    assert counts(workspace.store, PATH).total == 0


def test_a_workflow_with_dataset_fields_is_refused_with_the_call_to_use(client: TestClient) -> None:
    answer = client.post(f"{WORKFLOW}/tasks/bulk", json={"count": 5})
    assert error_of(answer) == (422, "has_dataset_fields")
    assert answer.json()["detail"] == (
        "workflow acme/reviews/label-reviews has dataset fields (review_id, body, stars), which "
        "blank tasks would leave empty; create tasks with values instead: "
        "POST /api/v1/workflows/1/tasks"
    )


def test_a_draft_workflow_is_a_conflict(client: TestClient) -> None:
    answer = client.post(f"{BASE}/workflows/{DRAFT}/tasks/bulk", json={"count": 5})
    assert error_of(answer) == (409, "pipeline_closed")
