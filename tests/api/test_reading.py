"""Reading a workflow and its tasks over HTTP."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api_requests import BLANK, GOOD, PHOTOS, TASKS, WORKFLOW, error_of, tasks
from people import AT, claim, finish
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.operations.tasks.move import set_status
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import LATEST_REVISION

NONE = dict.fromkeys([status.value for status in TaskStatus], 0)


def test_a_workflow_shows_its_counts(client: TestClient, workspace: Workspace) -> None:
    client.post(TASKS, json=tasks(GOOD, GOOD, GOOD))
    claim(workspace.store)
    assert client.get(WORKFLOW).json() == {
        "id": 1,
        "name": "label-reviews",
        "project": "reviews",
        "organization": "acme",
        "status": "active",
        "task_counts": NONE | {"pending": 2, "in_progress": 1},
        "task_total": 3,
    }


@pytest.mark.parametrize(
    ("workflow", "mode", "names"),
    [
        (1, "fields", ["review_id", "body", "stars"]),
        (BLANK, "bulk", []),
        (PHOTOS, "files", ["photo"]),
    ],
)
def test_the_schema_shows_how_tasks_are_created(
    shared_client: TestClient, workflow: int, mode: str, names: list[str]
) -> None:
    schema = shared_client.get(f"/api/v1/workflows/{workflow}/schema").json()
    assert (schema["workflow_id"], schema["creation_mode"]) == (workflow, mode)
    assert [field["name"] for field in schema["fields"]] == names


def test_the_schema_lists_a_fields_constraints(shared_client: TestClient) -> None:
    schema = shared_client.get(f"{WORKFLOW}/schema").json()
    assert schema["fields"][2] == {
        "name": "stars", "type": "integer", "required": False, "min": "1", "max": "5",
    }  # fmt: skip
    assert schema["input_fields"] == [
        {
            "name": "sentiment",
            "type": "single_select",
            "required": True,
            "options": ["good", "bad", "mixed"],
        }
    ]


def test_the_template_is_the_header_of_a_csv(shared_client: TestClient) -> None:
    response = shared_client.get(f"{WORKFLOW}/template.csv")
    assert response.content.decode("utf-8") == "\ufeffreview_id,body,stars\r\n"
    assert response.headers["content-type"] == "text/csv; charset=utf-8"


def test_a_task_shows_its_values_moves_and_origin(
    client: TestClient, workspace: Workspace, key: str
) -> None:
    client.post(
        TASKS,
        content=b'{"tasks":[{"fields":{"review_id":1.50,"body":"one"}}]}',
        headers={"content-type": "application/json"},
    )
    done = finish(workspace.store)
    task = client.get(f"{TASKS}/1").json()
    at = done.finished_at.isoformat() if done.finished_at else None
    assert task == {
        "id": 1,
        "status": "finished",
        "fields": {"review_id": "1.50", "body": "one", "stars": None, "sentiment": "good"},
        "group_id": 1,
        "claimed_by": "ann",
        "created_at": done.created_at.isoformat(),
        "claimed_at": at,
        "claim_expires_at": None,
        "finished_at": at,
        "origin": {
            "kind": "api", "source": f"key {key[:16]}", "row": 1, "version": None, "chain_id": None,
        },
        "moves": [
            {"move": move, "from_status": before, "to_status": after, "by": "ann", "reason": None,
             "at": at}
            for move, before, after in (
                ("claim", "pending", "in_progress"), ("submit", "in_progress", "finished")
            )
        ],
        "links": {},
    }  # fmt: skip


@pytest.mark.parametrize("number", ["3", "0", "x", "9" * 30])
def test_a_missing_task_is_not_found(shared_client: TestClient, number: str) -> None:
    assert error_of(shared_client.get(f"{TASKS}/{number}")) == (404, "not_found")


def test_a_task_is_found_in_its_own_workflow_only(shared_client: TestClient) -> None:
    elsewhere = shared_client.get(f"/api/v1/workflows/{BLANK}/tasks/1")
    absent = shared_client.get(f"/api/v1/workflows/{BLANK}/tasks/99")
    assert (elsewhere.status_code, elsewhere.text) == (404, absent.text)


def pages(client: TestClient, **parameters: Any) -> list[tuple[list[int], int, bool]]:
    """Return ids, total and has_more of each page up to the last."""
    read_pages = []
    for page in range(1, 20):
        answer = client.get(TASKS, params={"page": page, **parameters}).json()
        assert answer["page"] == page
        ids = [item["id"] for item in answer["items"]]
        read_pages.append((ids, answer["total"], answer["has_more"]))
        if not answer["has_more"]:
            return read_pages
    raise AssertionError(read_pages)


def test_tasks_of_every_status_are_listed_page_by_page_oldest_first(
    client: TestClient, workspace: Workspace
) -> None:
    client.post(TASKS, json=tasks(*[GOOD] * 3))
    client.post(TASKS, json=tasks(*[GOOD] * 4))
    for number, status in ((2, TaskStatus.FAILED), (5, TaskStatus.ESCALATED)):
        set_status(workspace.store, number, status, at=AT)
    assert pages(client, page_size=3) == [
        ([1, 2, 3], 7, True),
        ([4, 5, 6], 7, True),
        ([7], 7, False),
    ]
    assert pages(client, page_size=7) == [([1, 2, 3, 4, 5, 6, 7], 7, False)]
    assert pages(client, status="failed") == [([2], 1, False)]
    assert pages(client, status="pending", page_size=4) == [
        ([1, 3, 4, 6], 5, True),
        ([7], 5, False),
    ]
    assert pages(client, group_id=1) == [([1, 2, 3], 3, False)]
    assert pages(client, group_id=2, status="pending", page_size=2) == [
        ([4, 6], 3, True),
        ([7], 3, False),
    ]
    assert pages(client, group_id=99) == [([], 0, False)]
    assert pages(client, status="finished") == [([], 0, False)]
    beyond = client.get(TASKS, params={"page": 10**9, "page_size": 1_000}).json()
    assert (beyond["items"], beyond["total"], beyond["has_more"]) == ([], 7, False)


def follow(client: TestClient, **parameters: str | int) -> list[tuple[list[int], int]]:
    """Read tasks by cursor to the end; return the ids on each page and the total."""
    read_pages, cursor = [], ""
    while True:
        answer = client.get(TASKS, params={"after": cursor, **parameters}).json()
        read_pages.append(([item["id"] for item in answer["items"]], answer["total"]))
        assert answer["has_more"] == (answer["next"] is not None)
        if answer["next"] is None:
            return read_pages
        cursor = answer["next"]


def test_tasks_are_listed_by_cursor(client: TestClient, workspace: Workspace) -> None:
    client.post(TASKS, json=tasks(*[GOOD] * 3))
    client.post(TASKS, json=tasks(*[GOOD] * 4))
    for number, status in ((2, TaskStatus.FAILED), (5, TaskStatus.ESCALATED)):
        set_status(workspace.store, number, status, at=AT)
    assert follow(client) == [([1, 2, 3, 4, 5, 6, 7], 7)]
    assert follow(client, limit=3) == [([1, 2, 3], 7), ([4, 5, 6], 7), ([7], 7)]
    assert follow(client, limit=2, status="pending") == [([1, 3], 5), ([4, 6], 5), ([7], 5)]
    assert follow(client, limit=2, group_id=2) == [([4, 5], 4), ([6, 7], 4)]
    assert follow(client, limit=2, group_id=2, status="pending") == [([4, 6], 3), ([7], 3)]
    assert follow(client, group_id=99) == [([], 0)]


def test_a_group_of_another_workflow_is_empty_here(shared_client: TestClient) -> None:
    page = shared_client.get(f"/api/v1/workflows/{BLANK}/tasks", params={"group_id": 1}).json()
    assert (page["items"], page["total"]) == ([], 0)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("page", "0"), ("page", "x"), ("page", ""), ("page", "99999999999"), ("page_size", "1001"),
        ("page_size", "0"), ("status", "done"), ("group_id", "-1"), ("group_id", "1.5"),
    ],
)  # fmt: skip
def test_an_invalid_parameter_is_named(
    shared_client: TestClient, parameter: str, value: str
) -> None:
    response = shared_client.get(TASKS, params={parameter: value})
    assert error_of(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == [parameter]


def test_health_needs_no_key(shared_client: TestClient) -> None:
    response = TestClient(shared_client.app).get("/api/v1/health")
    document = response.json()
    assert (response.status_code, document["status"], document["store_revision"]) == (
        200, "ok", LATEST_REVISION,
    )  # fmt: skip
    assert document["waiting_for_prefect"] == {"claims": 0, "finished_tasks": 0, "groups": 1}
