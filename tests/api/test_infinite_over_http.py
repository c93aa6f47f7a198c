"""Infinite seeding over HTTP: enable, change, read and disable."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api_requests import GOOD, TASKS, WORKFLOW, error_of, tasks

INFINITE = f"{WORKFLOW}/infinite"
NEVER: dict[str, Any] = {
    "state": "disabled", "target": None, "keep_available": 1, "copy_groups": [], "available": 0,
    "total": 0, "made": 0, "group_id": None, "message": None, "warnings": [],
}  # fmt: skip


def test_infinite_seeding_is_enabled_read_and_disabled(client: TestClient) -> None:
    assert client.get(INFINITE).json() == NEVER
    client.post(TASKS, json=tasks(GOOD))
    enabled = client.post(INFINITE, json={"target": 5, "keep_available": 3, "copy_groups": [1]})
    expected = NEVER | {
        "state": "running", "target": 5, "keep_available": 3, "copy_groups": [1], "available": 3,
        "total": 3, "made": 2, "group_id": 2,
    }  # fmt: skip
    assert (enabled.status_code, enabled.json()) == (200, expected)
    assert client.get(INFINITE).json() == expected
    assert client.get(f"{TASKS}/2").json()["fields"] == GOOD
    assert client.delete(INFINITE).json() == expected | {"state": "disabled"}


def test_a_repeated_request_with_its_key_gets_the_same_answer(client: TestClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = client.post(INFINITE, json={"keep_available": 2}, headers=headers)
    client.delete(INFINITE)
    again = client.post(INFINITE, json={"keep_available": 2}, headers=headers)
    assert again.content == first.content
    assert client.get(INFINITE).json()["state"] == "disabled"


def test_without_a_body_one_task_is_kept_available(client: TestClient) -> None:
    enabled = client.post(INFINITE).json()
    assert (enabled["state"], enabled["available"]) == ("running", 1)
    assert enabled["warnings"] == [
        "new tasks have no values for review_id, body, stars; "
        "to copy values, name the groups to copy"
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"target": 0}, (422, "invalid_request")),
        ({"target": -5}, (422, "invalid_request")),
        ({"keep_available": 0}, (422, "invalid_request")),
        ({"keep_available": 100_001}, (422, "invalid_request")),
        ({"keep_available": "1"}, (422, "malformed_body")),
        ({"copy_groups": ["1"]}, (422, "malformed_body")),
        ({"copy_groups": [1.5]}, (422, "invalid_request")),
        ({"copy_groups": [9]}, (404, "not_found")),
        ({"copies": [1]}, (422, "malformed_body")),
    ],
)
def test_an_invalid_request_is_refused_and_changes_nothing(
    client: TestClient, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert error_of(client.post(INFINITE, json=body)) == expected
    assert client.get(INFINITE).json() == NEVER
