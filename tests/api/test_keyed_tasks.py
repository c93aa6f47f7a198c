"""Tasks of a workflow with a key are created once, and each answer names the task of every item."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api_requests import PIPELINE, TASKS, WORKFLOW, error_of, tasks
from people import counts, recount
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.workspace import Workspace
from upload_calls import confirm, upload_file, wait_for_end

PATH = "acme/reviews/label-reviews"
KEYED = PIPELINE.replace(
    "\n            fields:", "\n            key: [review_id]\n            fields:"
)


@pytest.fixture(autouse=True)
def _keyed(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "keyed.yaml"
    path.write_text(KEYED, encoding="utf-8")
    apply_catalogue(workspace.store, path)


def row(number: int, body: str = "x") -> dict[str, object]:
    return {"review_id": str(number), "body": body}


def test_the_schema_names_the_key(client: TestClient) -> None:
    assert client.get(f"{WORKFLOW}/schema").json()["key"] == ["review_id"]


def test_every_item_gets_the_id_of_its_task_old_or_new(
    client: TestClient, workspace: Workspace
) -> None:
    first = client.post(TASKS, json=tasks(row(1), row(2)))
    assert (first.status_code, first.json()) == (
        201,
        {
            "created": 2,
            "already_seeded": 0,
            "changed": 0,
            "updated": 0,
            "group_id": 1,
            "task_ids": [1, 2],
        },
    )
    second = client.post(TASKS, json=tasks(row(3), row(2, "other"), row(4), row(1)))
    assert (second.status_code, second.json()) == (
        201,
        {
            "created": 2,
            "already_seeded": 1,
            "changed": 1,
            "updated": 0,
            "group_id": 2,
            "task_ids": [3, 2, 4, 1],
        },
    )
    third = client.post(TASKS, json=tasks(row(4)))
    assert third.json() == {
        "created": 0,
        "already_seeded": 1,
        "changed": 0,
        "updated": 0,
        "group_id": None,
        "task_ids": [4],
    }
    assert [group.tasks for group in list_groups(workspace.store, PATH)] == [2, 2]
    assert counts(workspace.store) == recount(workspace.store)


def test_two_items_with_the_same_key_are_refused(client: TestClient, workspace: Workspace) -> None:
    response = client.post(TASKS, json=tasks(row(1), row(2), row(1, "other")))
    assert error_of(response) == (422, "tasks_rejected")
    assert response.json()["errors"] == [
        {
            "index": 2,
            "field": "review_id",
            "code": "duplicate_key",
            "message": "has the same key as task 0: review_id '1'",
        }
    ]
    assert list_groups(workspace.store, PATH) == []


def test_requests_at_the_same_moment_create_each_task_once(
    client: TestClient, workspace: Workspace
) -> None:
    def post(start: int) -> list[int]:
        numbers = range(start, start + 20)
        ordered = numbers if start % 2 else reversed(numbers)
        answer = client.post(TASKS, json=tasks(*map(row, ordered))).json()
        ids: list[int] = answer["task_ids"]
        return ids if start % 2 else ids[::-1]

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(post, range(10)))
    task_of = {
        start + place: task for start, ids in enumerate(answers) for place, task in enumerate(ids)
    }
    assert len(set(task_of.values())) == 29
    for start, ids in enumerate(answers):
        assert ids == [task_of[number] for number in range(start, start + 20)]
    assert counts(workspace.store).total == 29


def test_rows_of_an_upload_are_known_by_their_keys(client: TestClient) -> None:
    assert client.post(TASKS, json=tasks(row(1), row(2))).status_code == 201
    upload_id = upload_file(client, b"review_id,body,stars\n1,x,\n2,other,\n3,three,\n")
    confirm(client, upload_id)
    report = wait_for_end(client, upload_id)["report"]
    counted = [report[name] for name in ("created", "already_seeded", "changed", "rejected")]
    assert counted == [1, 1, 1, 0]
    upload_id = upload_file(client, b"review_id,body,stars\n4,four,\n5,five,\n4,four,\n")
    confirm(client, upload_id)
    (error,) = wait_for_end(client, upload_id)["report"]["errors"]
    assert (error["code"], error["message"]) == (
        "duplicate_key",
        "has the same key as row 1: review_id '4'",
    )
