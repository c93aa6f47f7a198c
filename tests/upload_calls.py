"""Uploads over the HTTP API, as a client makes them."""

from datetime import UTC, datetime
from typing import Any

import httpx
import httpx2
from sqlalchemy import text
from starlette.testclient import TestClient

from api_requests import WORKFLOW
from servers import wait_until
from tasks_lib.api.app import create_app
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace

UPLOAD = f"{WORKFLOW}/tasks/upload"
CSV = b"review_id,body,stars\n001,one,5\n002,two,\n"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def client_of(workspace: Workspace, key: str, **settings: Any) -> TestClient:
    return TestClient(create_app(workspace, **settings), headers={"X-API-Key": key})


def begin(client: TestClient, **body: Any) -> dict[str, Any]:
    response = client.post(UPLOAD, json=body)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


def put(
    client: TestClient, promise: dict[str, Any], content: bytes
) -> httpx.Response | httpx2.Response:
    """PUT the file to its upload URL, in this application or on S3."""
    url = promise["upload_url"]
    if url.startswith("http://testserver"):
        return client.put(url, content=content)
    return httpx.put(url, content=content, headers=promise["headers"])


def upload_file(client: TestClient, content: bytes = CSV, **body: Any) -> str:
    """Upload a file without confirming it; return the upload's id."""
    promise = begin(client, **body)
    assert put(client, promise, content).status_code == 200
    return str(promise["upload_id"])


def confirm(client: TestClient, upload_id: str) -> dict[str, Any]:
    response = client.post(f"{UPLOAD}/{upload_id}/confirm")
    assert response.status_code == 202, response.text
    document: dict[str, Any] = response.json()
    return document


def wait_for_end(client: TestClient, upload_id: str) -> dict[str, Any]:
    """Return the upload once it has ended."""

    def status() -> dict[str, Any]:
        upload: dict[str, Any] = client.get(f"{UPLOAD}/{upload_id}").json()
        return upload

    wait_until(lambda: status()["status"] in {"completed", "failed"})
    return status()


def tasks_of(workspace: Workspace) -> list[str]:
    return [task.fields for task in list_tasks(workspace.store, "1", limit=1_000)]


def attempts(workspace: Workspace) -> int:
    with workspace.store.read() as session:
        return session.scalar(text("SELECT attempts FROM uploads")) or 0
