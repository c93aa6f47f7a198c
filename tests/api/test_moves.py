"""Moving tasks over HTTP: an example of each move, and the answers to impossible ones."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from starlette.testclient import TestClient

from api_requests import GOOD, OTHER, TASKS, WORKFLOW, NewKey, error_of, tasks
from tasks_lib.api.app import create_app
from tasks_lib.operations.workspace import Workspace

ANN = {"contributor": "ann@example.org"}
BEN = {"contributor": "ben@example.org"}


@pytest.fixture
def client(workspace: Workspace, key: str) -> TestClient:
    """A client of a workflow with two tasks, 1 and 2."""
    client = TestClient(create_app(workspace), headers={"X-API-Key": key})
    assert client.post(TASKS, json=tasks(GOOD, GOOD)).status_code == 201
    return client


def submission(**fields: Any) -> dict[str, Any]:
    return ANN | {"fields": fields}


def test_a_task_is_claimed_submitted_and_read(client: TestClient) -> None:
    claimed = client.post(f"{TASKS}/claim", json=ANN).json()
    assert (claimed["id"], claimed["status"], claimed["claimed_by"]) == (
        1, "in_progress", "ann@example.org",
    )  # fmt: skip
    done = client.post(f"{TASKS}/1/submit", json=submission(sentiment="good"))
    assert (done.status_code, done.json()["status"]) == (200, "finished")
    read = client.get(f"{TASKS}/1").json()
    assert read["fields"] == GOOD | {"sentiment": "good"}
    assert [move["move"] for move in read["moves"]] == ["claim", "submit"]


def test_a_claim_without_available_tasks_returns_no_content(client: TestClient) -> None:
    for _ in range(2):
        assert client.post(f"{TASKS}/claim", json=ANN).status_code == 200
    empty = client.post(f"{TASKS}/claim", json=ANN)
    assert (empty.status_code, empty.content) == (204, b"")


def test_a_claimed_task_is_released_with_and_without_a_name(client: TestClient) -> None:
    bodies: list[dict[str, Any]] = [{"json": ANN}, {"json": {}}, {}]
    for body in bodies:
        client.post(f"{TASKS}/claim", json=ANN)
        released = client.post(f"{TASKS}/1/release", **body)
        assert (released.status_code, released.json()["status"]) == (200, "pending")


def test_a_status_is_set_for_a_reason(client: TestClient) -> None:
    body = {"status": "escalated", "reason": "not in a language that I read", **ANN}
    assert client.post(f"{TASKS}/1/status", json=body).json()["status"] == "escalated"
    assert client.post(f"{TASKS}/1/status", json={"status": "pending"}).json()["status"] == (
        "pending"
    )
    first, second = client.get(f"{TASKS}/1").json()["moves"]
    assert (first["by"], first["reason"]) == ("ann@example.org", "not in a language that I read")
    assert (second["move"], second["by"]) == ("put_back", None)


@pytest.mark.parametrize(
    ("call", "body", "expected"),
    [
        ("1/submit", submission(sentiment="good"), (409, "move_not_allowed")),
        ("1/release", ANN, (409, "move_not_allowed")),
        ("1/status", {"status": "pending"}, (409, "move_not_allowed")),
        ("1/status", {"status": "finished"}, (422, "invalid_request")),
        ("1/status", {"status": "done"}, (422, "invalid_request")),
        ("1/status", {"status": "failed", "reason": "x" * 2_001}, (422, "invalid_request")),
        ("claim", {}, (422, "malformed_body")),
        ("claim", {"contributor": 5}, (422, "malformed_body")),
        ("claim", {"contributor": ""}, (422, "invalid_request")),
        ("claim", ANN | {"contributer": "x"}, (422, "malformed_body")),
        ("claim", [ANN], (422, "malformed_body")),
        ("1/submit", ANN, (422, "malformed_body")),
        ("1/submit", ANN | {"fields": []}, (422, "malformed_body")),
        ("99/submit", submission(), (404, "not_found")),
        ("x/release", ANN, (404, "not_found")),
    ],
)
def test_an_impossible_move_changes_nothing(
    client: TestClient, call: str, body: Any, expected: tuple[int, str]
) -> None:
    assert error_of(client.post(f"{TASKS}/{call}", json=body)) == expected
    assert client.get(f"{TASKS}/1").json()["moves"] == []


def test_invalid_values_are_reported_field_by_field(client: TestClient) -> None:
    client.post(f"{TASKS}/claim", json=ANN)
    refused = client.post(f"{TASKS}/1/submit", json=submission(sentiment="god", body="mine"))
    assert error_of(refused) == (422, "submission_rejected")
    assert [(entry["field"], entry["code"]) for entry in refused.json()["errors"]] == [
        ("body", "read_only_field"), ("sentiment", "not_an_option"),
    ]  # fmt: skip
    assert client.get(f"{TASKS}/1").json()["status"] == "in_progress"


def test_another_contributors_task_cannot_be_submitted(client: TestClient) -> None:
    client.post(f"{TASKS}/claim", json=BEN)
    assert error_of(client.post(f"{TASKS}/1/submit", json=submission(sentiment="good"))) == (
        409, "move_not_allowed",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("claim", ANN),
        ("1/submit", submission(sentiment="good")),
        ("1/release", ANN),
        ("1/status", {"status": "failed"}),
    ],
)
def test_nothing_is_moved_in_another_organization(
    workspace: Workspace, client: TestClient, new_key: NewKey, call: str, body: Any
) -> None:
    other = TestClient(create_app(workspace), headers={"X-API-Key": new_key("other")})
    assert error_of(other.post(f"{TASKS}/{call}", json=body)) == (404, "not_found")
    own = TASKS.replace("/1/", f"/{OTHER}/")
    if call != "claim":
        assert error_of(other.post(f"{own}/{call}", json=body)) == (404, "not_found")
    assert client.get(f"{TASKS}/1").json()["moves"] == []


def test_a_body_that_is_not_json_submits_nothing(client: TestClient) -> None:
    client.post(f"{TASKS}/claim", json=ANN)
    text = '{"contributor": "ann@example.org", "fields": {"sentiment": NaN}}'
    headers = {"Content-Type": "application/json"}
    refused = client.post(f"{TASKS}/1/submit", content=text, headers=headers)
    assert error_of(refused) == (422, "malformed_json")


def test_a_repeated_claim_with_its_key_gives_the_same_task(client: TestClient) -> None:
    key = {"Idempotency-Key": "claim-1"}
    first, again = (client.post(f"{TASKS}/claim", json=ANN, headers=key) for _ in range(2))
    assert (first.status_code, first.content) == (200, again.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert client.post(f"{TASKS}/claim", json=ANN).json()["id"] == 2
    other = client.post(f"{TASKS}/claim", json=BEN, headers=key)
    assert error_of(other) == (409, "idempotency_key_reused")


def test_concurrent_claims_with_one_key_take_one_task(client: TestClient) -> None:
    key, start = {"Idempotency-Key": "claim-1"}, Barrier(4)

    def claim(_: int) -> bytes:
        start.wait()
        return client.post(f"{TASKS}/claim", json=ANN, headers=key).content

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(claim, range(4)))) == 1
    counts = client.get(WORKFLOW).json()["task_counts"]
    assert (counts["pending"], counts["in_progress"]) == (1, 1)


def test_an_answer_without_a_task_is_replayed_too(
    client: TestClient,
) -> None:
    for _ in range(2):
        client.post(f"{TASKS}/claim", json=ANN)
    key = {"Idempotency-Key": "claim-1"}
    first, again = (client.post(f"{TASKS}/claim", json=ANN, headers=key) for _ in range(2))
    assert [(answer.status_code, answer.content) for answer in (first, again)] == [(204, b"")] * 2
    assert again.headers["idempotent-replayed"] == "true"


def test_a_failed_move_does_not_use_up_its_key(client: TestClient) -> None:
    key = {"Idempotency-Key": "submit-1"}
    client.post(f"{TASKS}/claim", json=ANN)
    bad = client.post(f"{TASKS}/1/submit", json=submission(sentiment="god"), headers=key)
    assert error_of(bad) == (422, "submission_rejected")
    good = submission(sentiment="good")
    answers = [client.post(f"{TASKS}/1/submit", json=good, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert client.get(f"{TASKS}/1").json()["status"] == "finished"


def test_a_task_is_released_and_failed_once_per_key(client: TestClient) -> None:
    client.post(f"{TASKS}/claim", json=ANN)
    for call, body in (("release", None), ("status", {"status": "failed"})):
        key = {"Idempotency-Key": call}
        answers = [client.post(f"{TASKS}/1/{call}", json=body, headers=key) for _ in range(2)]
        assert answers[0].content == answers[1].content
    assert [move["move"] for move in client.get(f"{TASKS}/1").json()["moves"]] == [
        "claim", "release", "fail",
    ]  # fmt: skip
