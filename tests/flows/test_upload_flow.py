"""An upload of the External API, processed by a flow run instead of a thread."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from flow_runs import run_of
from flows.seed_from_csv import seed_from_csv
from flows.seed_from_zip import seed_from_zip
from tasks_lib.api.app import create_app
from tasks_lib.errors import NotFoundError, PrefectUnavailableError
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.uploads.process import resume_uploads
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.steps.uploads import start_flow_run
from tasks_lib.store.uploads import find_upload

UPLOAD = "/api/v1/workflows/1/tasks/upload"
PATH = "acme/reviews/label-reviews"
GOOD = b"review_id,body,stars\n001,one,5\n002,two,\n"
BAD = b"review_id,body,stars\n001,one,9\n"

pytestmark = pytest.mark.usefixtures("flow_workspace")


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with open_workspace(read_settings()) as workspace:
        yield workspace


class Uploads:
    """Uploads and confirms files, which only the test processes."""

    def __init__(self, workspace: Workspace) -> None:
        key = create_key(workspace.store, "acme", name="t", lifetime=None, at=datetime.now(UTC))[0]
        app = create_app(workspace, process=lambda _, __: None)
        self._client = TestClient(app, headers={"X-API-Key": key})

    def __call__(self, content: bytes) -> str:
        promise = self._client.post(UPLOAD, json={}).json()
        assert self._client.put(promise["upload_url"], content=content).status_code == 200
        confirmed = self._client.post(f"{UPLOAD}/{promise['upload_id']}/confirm")
        assert confirmed.json()["status"] == "processing"
        return str(promise["upload_id"])

    def status(self, upload_id: str) -> dict[str, Any]:
        document: dict[str, Any] = self._client.get(f"{UPLOAD}/{upload_id}").json()
        return document


@pytest.fixture
def upload(workspace: Workspace) -> Uploads:
    return Uploads(workspace)


def uri_of(workspace: Workspace, upload_id: str) -> str:
    with workspace.store.read() as session:
        row = find_upload(session, upload_id)
        assert row is not None
        return row.uri


@pytest.mark.parametrize("retry", [False, True], ids=["once", "run again"])
def test_a_run_for_an_upload_leaves_its_report_under_the_uploads_id(
    prefect: httpx.Client, workspace: Workspace, upload: Uploads, *, retry: bool
) -> None:
    upload_id = upload(GOOD)
    for _ in range(1 + retry):
        state = seed_from_csv(
            PATH, uri_of(workspace, upload_id), upload=upload_id, return_state=True
        )
        assert state.name == "Completed"
    done = upload.status(upload_id)
    assert (done["status"], done["report"]["created"]) == ("completed", 2)
    assert run_of(prefect, state)["name"].endswith(f"-upload.zip -> {PATH}")


def test_a_rejected_upload_has_failed(
    prefect: httpx.Client, workspace: Workspace, upload: Uploads
) -> None:
    upload_id = upload(BAD)
    state = seed_from_csv("1", uri_of(workspace, upload_id), upload=upload_id, return_state=True)
    assert state.name == "Failed"
    failed = upload.status(upload_id)
    assert (failed["status"], failed["report"]["errors"][0]["code"]) == ("failed", "above_maximum")


def test_a_permanent_error_fails_the_upload_with_its_sentence(
    prefect: httpx.Client, workspace: Workspace, upload: Uploads
) -> None:
    upload_id = upload(GOOD)
    with pytest.raises(NotFoundError):
        seed_from_zip("7", uri_of(workspace, upload_id), upload=upload_id)
    failed = upload.status(upload_id)
    assert (failed["status"], failed["report"]) == ("failed", None)
    assert failed["message"].startswith("there is no pipeline '7'")


def test_without_the_deployment_the_upload_stays_and_is_due_again(
    prefect: httpx.Client, workspace: Workspace, upload: Uploads
) -> None:
    upload_id = upload(GOOD)
    with pytest.raises(PrefectUnavailableError, match="has no deployment seed-from-csv"):
        start_flow_run(workspace, upload_id)
    assert upload.status(upload_id)["status"] == "processing"
    started: list[str] = []
    resume_uploads(workspace.store, started.append, at=datetime.now(UTC))
    assert started == [upload_id]
