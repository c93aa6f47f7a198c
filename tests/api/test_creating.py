"""Creating tasks over HTTP: all of a request or none, in order, with unchanged values."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api_requests import BLANK, DRAFT, GOOD, PHOTOS, TASKS, WORKFLOW, error_of, tasks
from people import counts, recount, set_pipeline_status
from servers import wait_until
from tasks_lib.domain.catalogue import PipelineEntry
from tasks_lib.domain.fields import Field
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.upkeep.announcing import count_pending
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue

PATH = "acme/reviews/label-reviews"


def stored(workspace: Workspace) -> list[tuple[int, int, str]]:
    """Return id, row and values of every task."""
    page = list_tasks(workspace.store, PATH, limit=10_000)
    return [(task.id, task.origin.row, task.fields) for task in page]


def test_tasks_are_created_in_the_order_of_the_request(
    client: TestClient, workspace: Workspace, key: str
) -> None:
    rows: list[dict[str, Any]] = [
        {"review_id": "001", "body": " padded ", "stars": 5},
        {"review_id": 12345678901234567890, "body": "NA", "stars": "3"},
        {"body": 'in "quotes"\n', "review_id": "null"},
    ]
    response = client.post(TASKS, json=tasks(*rows))
    assert (response.status_code, response.json()) == (
        201,
        {"created": 3, "group_id": 1, "task_ids": [1, 2, 3]},
    )
    assert stored(workspace) == [
        (1, 1, '{"review_id":"001","body":" padded ","stars":5}'),
        (2, 2, '{"review_id":"12345678901234567890","body":"NA","stars":3}'),
        (3, 3, '{"review_id":"null","body":"in \\"quotes\\"\\n","stars":null}'),
    ]
    (group,) = list_groups(workspace.store, PATH)
    assert (group.kind, group.source, group.tasks) == ("api", f"key {key[:16]}", 3)
    assert counts(workspace.store) == recount(workspace.store)
    assert count_pending(workspace.store).groups == 1


def test_5000_tasks_are_created_at_once(client: TestClient, workspace: Workspace) -> None:
    rows = [{"review_id": str(number), "body": "x"} for number in range(5_000)]
    answer = client.post(TASKS, json=tasks(*rows)).json()
    assert answer == {"created": 5_000, "group_id": 1, "task_ids": list(range(1, 5_001))}
    values = [json.loads(fields)["review_id"] for _, _, fields in stored(workspace)]
    assert values == [row["review_id"] for row in rows]


def test_the_same_tasks_again_are_new_tasks(client: TestClient, workspace: Workspace) -> None:
    assert client.post(TASKS, json=tasks(GOOD)).json()["task_ids"] == [1]
    assert client.post(TASKS, json=tasks(GOOD)).json()["task_ids"] == [2]
    assert len(stored(workspace)) == 2


def test_one_bad_task_rejects_the_request(client: TestClient, workspace: Workspace) -> None:
    response = client.post(
        TASKS,
        json=tasks(
            GOOD,
            GOOD | {"stars": 9},
            {"review_id": "1", "bdy": "x", "stars": "many"},
            {"review_id": None, "body": ["x"]},
        ),
    )
    assert error_of(response) == (422, "tasks_rejected")
    assert response.json() == {
        "detail": "3 of 4 tasks rejected, nothing was created: task 1, stars: '9' is above the "
        "maximum 5 (and 5 more problems)",
        "code": "tasks_rejected",
        "errors": [
            entry(1, "stars", "above_maximum", "'9' is above the maximum 5"),
            entry(2, "bdy", "unknown_field",
                  "'bdy' is not a dataset field of the workflow; did you mean 'body'?"),
            entry(2, "body", "missing_field", "is required, but the task does not have it"),
            entry(2, "stars", "invalid_integer",
                  "'many' is not a whole number such as 42 or -7"),
            entry(3, "review_id", "required", "is required, but the cell is empty"),
            entry(3, "body", "wrong_type",
                  "an array was given, which a field of type long_text does not take"),
        ],
    }  # fmt: skip
    assert stored(workspace) == []
    assert list_groups(workspace.store, PATH) == []


def entry(index: int, field: str, code: str, message: str) -> dict[str, Any]:
    return {"index": index, "field": field, "code": code, "message": message}


def test_a_contributors_field_is_not_seeded(shared_client: TestClient) -> None:
    response = shared_client.post(TASKS, json=tasks(GOOD | {"sentiment": "good"}))
    assert response.json()["errors"] == [
        entry(0, "sentiment", "unknown_field", "'sentiment' is not a dataset field of the workflow")
    ]


def test_a_pipeline_without_dataset_fields_gets_blank_tasks(
    client: TestClient, workspace: Workspace
) -> None:
    url = f"/api/v1/workflows/{BLANK}/tasks"
    assert client.post(url, json=tasks({}, {})).json()["created"] == 2
    assert [item["fields"] for item in client.get(url).json()["items"]] == [{}, {}]


def test_file_fields_are_refused_with_the_call_to_use(shared_client: TestClient) -> None:
    response = shared_client.post(
        f"/api/v1/workflows/{PHOTOS}/tasks", json=tasks({"photo": "a.png"})
    )
    assert error_of(response) == (422, "has_file_fields")
    assert response.json()["detail"] == (
        "workflow acme/kinds/photos has file fields (photo), which JSON cannot carry; upload a "
        f"ZIP: POST /api/v1/workflows/{PHOTOS}/tasks/upload"
    )


def test_a_draft_takes_no_tasks(shared_client: TestClient) -> None:
    response = shared_client.post(f"/api/v1/workflows/{DRAFT}/tasks", json=tasks({"a": "x"}))
    assert error_of(response) == (409, "pipeline_closed")


@pytest.mark.parametrize(
    ("status", "of_task", "after"),
    [("paused", "paused", "paused"), ("completed", "pending", "active")],
)
def test_the_pipelines_status_decides_how_tasks_start(
    client: TestClient, workspace: Workspace, status: str, of_task: str, after: str
) -> None:
    set_pipeline_status(workspace.store, status)
    assert client.post(TASKS, json=tasks(GOOD)).status_code == 201
    workflow = client.get(WORKFLOW).json()
    assert (workflow["status"], workflow["task_counts"][of_task]) == (after, 1)


def test_fields_that_change_during_a_request_are_read_again(
    client: TestClient, workspace: Workspace
) -> None:
    """The request has read the fields and waits for the transaction that adds one."""
    with ThreadPoolExecutor(1) as pool:
        with workspace.store.write() as session:
            pipeline = catalogue.find_pipeline(session, PATH)
            assert catalogue.lock_pipeline_for_update(session, pipeline.project_id, pipeline.name)
            more = Field(name="more", type="text", source="dataset", required=False)
            entry = PipelineEntry(name=pipeline.name, fields=(*pipeline.fields, more))
            catalogue.update_pipeline(session, pipeline.id, entry)
            posted = pool.submit(client.post, TASKS, json=tasks(GOOD))
            wait_until(lambda: has_read(workspace, session))
        assert posted.result().status_code == 201
    assert stored(workspace) == [(1, 1, '{"review_id":"001","body":"one","stars":5,"more":null}')]


def has_read(workspace: Workspace, session: Session) -> bool:
    """Return whether a request waits for our lock; SQLite cannot tell, and it does not matter."""
    if not workspace.store.is_postgresql:
        return True
    return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
