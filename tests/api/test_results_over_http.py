"""GET /workflows/{id}/results returns the rows that ``results`` and the command line return."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from api_requests import BASE, OTHER, TASKS, WORKFLOW, error_of, tasks
from people import finish
from tasks_lib import results
from tasks_lib.api.app import create_app
from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.operations.results import stream
from tasks_lib.operations.results.read import find_scope
from tasks_lib.operations.results.show import write_results
from tasks_lib.operations.results.stream import stream_results
from tasks_lib.operations.workspace import Workspace

RESULTS = f"{WORKFLOW}/results"
LABEL = "acme/reviews/label-reviews"
PARQUET = "application/vnd.apache.parquet"


@pytest.fixture
def client(workspace: Workspace, key: str) -> Iterator[TestClient]:
    with TestClient(create_app(workspace), headers={"X-API-Key": key}) as client:
        yield client


def make(client: TestClient, count: int) -> None:
    rows = [{"review_id": f"0{number}", "body": 'a "b"\nc'} for number in range(count)]
    assert client.post(TASKS, json=tasks(*rows)).status_code == 201


def ids(client: TestClient, **parameters: object) -> tuple[list[int], str]:
    """Return the tasks of a page, and the cursor of the next one."""
    response = client.get(RESULTS, params={name: str(value) for name, value in parameters.items()})
    assert response.status_code == 200
    lines = response.text.splitlines()
    return [json.loads(line)["task_id"] for line in lines], response.headers["next-cursor"]


def test_the_rows_are_those_of_results(
    client: TestClient,
    workspace: Workspace,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEEDING_DATABASE_URL", database_url)
    monkeypatch.setattr(stream, "_ROWS_AT_ONCE", 2)
    make(client, 5)
    for _ in range(5):
        finish(workspace.store)
    written: list[bytes] = []
    write_results(workspace.store, written.append, pipeline=LABEL)
    lines = client.get(RESULTS)
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert lines.headers["vary"] == "Accept"
    assert lines.content == b"".join(written)
    assert [json.loads(line)["task_id"] for line in lines.text.splitlines()] == [1, 2, 3, 4, 5]
    as_csv = client.get(RESULTS, headers={"Accept": "text/csv"})
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    read = list(csv.DictReader(io.StringIO(as_csv.text, newline="")))
    assert [(row["task_id"], row["body"]) for row in read] == [
        (str(number), 'a "b"\nc') for number in range(1, 6)
    ]
    parquet = client.get(RESULTS, headers={"Accept": PARQUET})
    assert parquet.headers["content-type"] == PARQUET
    expected = results(LABEL, as_arrow=True).replace_schema_metadata(None)
    assert pq.read_table(io.BytesIO(parquet.content)).equals(expected)


def test_no_results_have_columns(client: TestClient) -> None:
    assert client.get(RESULTS).content == b""
    header = client.get(RESULTS, headers={"Accept": "text/csv"}).text
    assert header.startswith("task_id,group_id,group_name,key,review_id,")
    empty = client.get(RESULTS, headers={"Accept": PARQUET})
    assert pq.read_table(io.BytesIO(empty.content)).column_names == header.strip().split(",")


def test_a_cursor_returns_each_task_once(client: TestClient, workspace: Workspace) -> None:
    make(client, 6)
    for _ in range(5):
        finish(workspace.store)
    first, cursor = ids(client, limit=2)
    assert (first, ids(client, limit=2)) == ([1, 2], ([1, 2], cursor))
    second, cursor = ids(client, limit=3, after=cursor)
    assert second == [3, 4, 5]
    assert ids(client, limit=3, after=cursor) == ([], cursor)
    finish(workspace.store)
    last, cursor = ids(client, after=cursor)
    assert last == [6]
    assert ids(client, after=cursor) == ([], cursor)


def test_only_the_tasks_of_a_group(client: TestClient, workspace: Workspace) -> None:
    make(client, 2)
    assert client.post(TASKS, json=tasks({"review_id": "x", "body": "y"})).status_code == 201
    for _ in range(3):
        finish(workspace.store)
    assert ids(client, group_id=2)[0] == [3]
    assert ids(client, group_id=1, limit=1)[0] == [1]
    answer = client.get(RESULTS, params={"group_id": "9"})
    assert error_of(answer) == (404, "not_found")
    assert answer.json()["detail"] == "the workflow has no group 9"


def test_a_group_of_another_organization_is_missing(
    client: TestClient, workspace: Workspace, new_key: object
) -> None:
    theirs = {"X-API-Key": new_key("other")}  # type: ignore[operator]
    path = f"{BASE}/workflows/{OTHER}/tasks"
    created = client.post(path, json=tasks({"review_id": "x", "body": "y"}), headers=theirs)
    assert created.json()["group_id"] == 1
    answer = client.get(RESULTS, params={"group_id": "1"})
    assert (error_of(answer), answer.json()["detail"]) == (
        (404, "not_found"), "the workflow has no group 1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "accept", "expected"),
    [
        ({}, "application/json", (406, "not_acceptable")),
        ({"after": "x"}, "*/*", (422, "invalid_request")),
        ({"limit": "0"}, "*/*", (422, "invalid_request")),
        ({"limit": "1", "page": "1"}, "*/*", (422, "invalid_request")),
    ],
)
def test_a_request_that_cannot_be_answered(
    shared_client: TestClient,
    parameters: dict[str, str],
    accept: str,
    expected: tuple[int, str],
) -> None:
    answer = shared_client.get(RESULTS, params=parameters, headers={"Accept": accept})
    assert error_of(answer) == expected


def test_head_sends_no_rows(shared_client: TestClient) -> None:
    answer = shared_client.head(RESULTS, headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.content, answer.headers["next-cursor"]) == (200, b"", "0")
    assert "content-length" not in answer.headers  # nobody has counted the bytes of a GET


def test_memory_does_not_grow_with_the_results(
    client: TestClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(client, 1)
    fill(workspace, 10_000)
    monkeypatch.setattr(stream, "_ROWS_AT_ONCE", 500)
    scope = find_scope(workspace.store, LABEL)
    for kind in (ResultFormat.JSONL, ResultFormat.CSV):
        chunks = stream_results(workspace.store, scope, kind).chunks
        next(chunks)
        tracemalloc.start()
        size = sum(map(len, chunks))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size > 10_000_000
        assert peak < 5_000_000


def fill(workspace: Workspace, count: int) -> None:
    """Add finished tasks with long values, numbered from 2."""
    is_postgresql = workspace.store.is_postgresql
    filler = "repeat('x', 1000)" if is_postgresql else "hex(zeroblob(500))"
    numbers = "(WITH RECURSIVE n (id) AS (VALUES (2) UNION ALL SELECT id + 1 FROM n"
    numbers += f" WHERE id < {count}) SELECT id FROM n) AS n"
    predefined = f"'{{\"review_id\": \"' || {filler} || '\"}}'"
    with workspace.store.write() as session:
        session.execute(
            text(
                "INSERT INTO tasks (id, pipeline_id, group_id, row, status, predefined,"
                f" finish_number, finished_at){' OVERRIDING SYSTEM VALUE' if is_postgresql else ''}"
                f" SELECT n.id, 1, 1, n.id, 'finished', CAST({predefined} AS"
                f" {'json' if is_postgresql else 'text'}), n.id, CURRENT_TIMESTAMP FROM {numbers}"
            )
        )
