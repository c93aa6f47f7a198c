"""The layers around the routes: limits, request ids, the log, and answers to all errors."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient
from starlette.types import Message

from api_requests import GOOD, TASKS, WORKFLOW, error_of, tasks
from tasks_lib.api.app import create_app
from tasks_lib.api.errors import handle_errors
from tasks_lib.domain.limits import ApiLimits, Limits
from tasks_lib.errors import (
    PrefectNotReadyError,
    PrefectUnavailableError,
    SeedingError,
    SourceDatabaseUnavailableError,
    StorageRefusedError,
    StorageUnavailableError,
    StoreOutdatedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

JSON = {"content-type": "application/json"}
LIMIT = ApiLimits().max_body_bytes


def chunks(size: int, count: int) -> Iterator[bytes]:
    yield from [b" " * size] * count


@pytest.mark.parametrize(
    "content",
    [b" " * 10_000_000, chunks(100_000, 100), b" " * (LIMIT + 1), chunks(LIMIT // 4, 5)],
    ids=["10 MB", "10 MB in chunks", "a byte too much", "a chunk too much"],
)
def test_a_body_that_is_too_large_is_refused(shared_client: TestClient, content: Any) -> None:
    response = shared_client.post(TASKS, content=content, headers=JSON)
    assert error_of(response) == (413, "body_too_large")
    assert response.json()["detail"] == "the body is larger than 8,388,608 bytes; send it in parts"


def test_a_body_as_large_as_allowed_is_read(shared_client: TestClient) -> None:
    response = shared_client.post(TASKS, content=b" " * LIMIT, headers=JSON)
    assert error_of(response) == (422, "malformed_json")


def test_a_client_that_expects_100_continue_is_answered_before_it_sends(
    shared_client: TestClient,
) -> None:
    """With ``Expect: 100-continue``, no byte of an oversized body is requested."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": TASKS,
        "raw_path": TASKS.encode(),
        "query_string": b"",
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", b"10000000"),
            (b"expect", b"100-continue"),
        ],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    async def send(message: Message) -> None:
        sent.append(message)

    async def call() -> None:
        await shared_client.app(scope, receive, send)

    asyncio.run(call())
    assert sent[0]["status"] == 413


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "text/csv"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/jsonx"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
    ids=lambda headers: ", ".join(headers.values()) or "none",
)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["whole", "in chunks"])
def test_a_body_without_a_json_content_type_is_refused(
    shared_client: TestClient, headers: dict[str, str], *, is_chunked: bool
) -> None:
    content: Any = chunks(10, 2) if is_chunked else b"{}"
    response = shared_client.post(TASKS, content=content, headers=headers)
    assert error_of(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"'],
)
def test_several_json_content_types_are_accepted(
    shared_client: TestClient, media_type: str
) -> None:
    response = shared_client.post(TASKS, content=b"[]", headers={"content-type": media_type})
    assert error_of(response) == (422, "malformed_body")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b'{"tasks": [{"fields": {"a": NaN}}]}', "malformed_json"),
        (b'{"tasks": [{"fields": {"a": "\\ud800"}}]}', "malformed_json"),
        (b'{"tasks": ' + b"[" * 100_000, "malformed_json"),
        (b"[" * 900 + b"]" * 900, "malformed_body"),
        (b'{"tasks": [{"fields": {"body": ' + b"[" * 900 + b"]" * 900 + b"}}]}", "tasks_rejected"),
        (b'{"tasks": [{"fields": {"review_id": "a\\u0000", "body": "b"}}]}', "tasks_rejected"),
        (b'{"tasks": [{"fields": {"review_id": "a\x00"}}]}', "malformed_json"),
        (b'{"tasks": [{"fields": {"stars": 1e999}}]}', "malformed_json"),
        (json.dumps(tasks(*[GOOD] * 5_001)).encode(), "too_many_tasks"),
        (b'{"tasks": []}', "no_tasks"),
        ("é".encode("latin-1"), "malformed_json"),
    ],
    ids=[
        "empty", "NaN", "lone surrogate", "brackets", "deep", "deep value", "NUL", "raw NUL",
        "infinite", "5,001 tasks", "no tasks", "latin-1",
    ],
)  # fmt: skip
def test_odd_bodies_are_refused_and_nothing_is_created(
    shared_client: TestClient, body: bytes, code: str
) -> None:
    assert error_of(shared_client.post(TASKS, content=body, headers=JSON)) == (422, code)
    assert shared_client.get(WORKFLOW).json()["task_total"] == 2


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", WORKFLOW, "GET, HEAD"),
        ("PUT", TASKS, "GET, HEAD, POST"),
        ("PATCH", f"{TASKS}/1", "GET, HEAD"),
        ("POST", "/api/v1/health", "GET, HEAD"),
        ("TRACE", WORKFLOW, "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_allowed_on_a_path_is_405(
    shared_client: TestClient, method: str, path: str, allowed: str
) -> None:
    response = shared_client.request(method, path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == set(allowed.split(", "))
    assert error_of(response) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/health/", f"{TASKS}/", "/api/v2/health"])
def test_an_unknown_path_is_404(shared_client: TestClient, path: str) -> None:
    assert error_of(shared_client.get(path)) == (404, "not_found")


def test_a_key_over_its_rate_limit_learns_when_to_retry(workspace: Workspace, key: str) -> None:
    limits = ApiLimits(requests_per_second=0.01, burst=2)
    client = TestClient(create_app(workspace, limits=limits), headers={"X-API-Key": key})
    answers = [client.get(WORKFLOW) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert error_of(answers[2]) == (429, "rate_limited")
    assert 70 < int(answers[2].headers["retry-after"]) <= 100


@pytest.mark.parametrize("given", ["abc-123", "a" * 128, "550e8400-e29b-41d4-a716-446655440000"])
def test_a_request_id_is_returned(shared_client: TestClient, given: str) -> None:
    response = shared_client.get(WORKFLOW, headers={"X-Request-ID": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "é".encode("latin-1"), '{"a":1}'])
def test_an_id_that_could_disturb_the_log_is_replaced(
    shared_client: TestClient, given: Any
) -> None:
    request_id = shared_client.get("/nowhere", headers={"X-Request-ID": given}).headers[
        "x-request-id"
    ]
    assert len(request_id) == 32


def test_each_request_is_one_line_of_json_without_values_or_keys(
    shared_client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    key = shared_client.headers["X-API-Key"]
    with caplog.at_level(logging.INFO, "tasks_lib.api.access"):
        shared_client.post(f"{TASKS}?q=secret", json=tasks({"body": "secret"}))
        TestClient(shared_client.app).get("/nowhere/secret", headers={"X-Request-ID": "r-2"})
    first, second = [json.loads(record.message) for record in caplog.records]
    assert (list(first), first["ms"] > 0, len(first["request_id"])) == (
        ["at", "request_id", "method", "route", "status", "ms", "bytes", "key"], True, 32,
    )  # fmt: skip
    assert [first[name] for name in ("method", "route", "status", "key")] == [
        "POST", "/api/v1/workflows/{workflow_id}/tasks", 422, key[:16],
    ]  # fmt: skip
    assert [second[name] for name in ("request_id", "route", "status", "key")] == [
        "r-2", None, 404, None,
    ]  # fmt: skip
    assert "secret" not in caplog.text
    assert key not in caplog.text


def test_an_internal_error_is_answered_without_details(
    workspace: Workspace, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with workspace.store.write() as session:
        session.execute(text("UPDATE fields SET type = 'secret'"))
    client = TestClient(create_app(workspace), headers={"X-API-Key": key})
    response = client.get(WORKFLOW, headers={"X-Request-ID": "r-1"})
    assert error_of(response) == (500, "internal_error")
    assert response.json()["detail"] == (
        "something went wrong; the server's log has it under request r-1"
    )
    assert "secret" not in response.text
    (record_of_error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert (record_of_error.getMessage(), record_of_error.exc_info is not None) == (
        "request r-1 failed",
        True,
    )


@pytest.mark.parametrize("path", ["/api/v1/health", WORKFLOW])
def test_an_unreachable_store_is_503_without_its_address(path: str, tmp_path: Any) -> None:
    url = "postgresql+psycopg://someone:secret@127.0.0.1:1/nothing"
    workspace = Workspace(Store.open_any(url), Storage(tmp_path.as_uri()), Limits())
    headers = {"X-API-Key": "pk_live_" + 40 * "0"}
    response = TestClient(create_app(workspace), headers=headers).get(path)
    assert error_of(response) == (503, "store_unavailable")
    assert response.headers["retry-after"] == "5"
    assert response.json()["detail"] == (
        "the store cannot be used at the moment; send the request again later"
    )


LATER = "cannot be used at the moment; send the request again later"
NEVER = "cannot be used until the server's operator has changed something"
SERVICE = "a service that the request needs"


@pytest.mark.parametrize(
    ("error", "code", "retry_after", "detail"),
    [
        (StoreUnavailableError, "store_unavailable", "5", f"the store {LATER}"),
        (StoreRefusedError, "store_unavailable", None, f"the store {NEVER}"),
        (StoreOutdatedError, "store_unavailable", None, f"the store {NEVER}"),
        (
            StorageUnavailableError,
            "storage_unavailable",
            "5",
            f"the storage {LATER}",
        ),
        (StorageRefusedError, "storage_unavailable", None, f"the storage {NEVER}"),
        (PrefectUnavailableError, "prefect_unavailable", "5", f"{SERVICE} {LATER}"),
        (PrefectNotReadyError, "prefect_unavailable", None, f"{SERVICE} {NEVER}"),
        (
            SourceDatabaseUnavailableError,
            "source_database_unavailable",
            "5",
            f"{SERVICE} {LATER}",
        ),
    ],
)
def test_only_an_outage_asks_for_the_request_again(
    error: type[SeedingError], code: str, retry_after: str | None, detail: str
) -> None:
    app = FastAPI()
    handle_errors(app)

    @app.get("/")
    def fail() -> None:
        raise error("secret")

    response = TestClient(app).get("/")
    assert (response.status_code, response.headers.get("retry-after"), response.json()) == (
        503,
        retry_after,
        {"detail": detail, "code": code, "errors": []},
    )
