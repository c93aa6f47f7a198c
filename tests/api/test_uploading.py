"""An uploaded and confirmed ZIP or CSV becomes tasks once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from api_requests import BASE, BLANK, DRAFT, WORKFLOW, error_of
from photos import CATALOGUE, png, write_zip
from servers import PATIENCE_SECONDS
from storages import files_in
from tasks_lib.domain.limits import ApiLimits, Limits
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from upload_calls import (
    CSV,
    NOW,
    UPLOAD,
    attempts,
    begin,
    client_of,
    confirm,
    put,
    tasks_of,
    upload_file,
    wait_for_end,
)

BAD = b"review_id,body,stars\n001,one,9\n"


def test_a_csv_becomes_tasks_and_its_report_is_returned(
    client: TestClient, workspace: Workspace
) -> None:
    promise = begin(client, file_name="reviews of May.csv", size=len(CSV))
    upload_id = promise["upload_id"]
    assert list(promise) == ["upload_id", "upload_url", "method", "headers", "expires_at"]
    assert (promise["method"], promise["headers"]) == ("PUT", {})
    before = client.get(f"{UPLOAD}/{upload_id}").json()
    assert (before["status"], before["report"]) == ("awaiting_upload", None)
    received = put(client, promise, CSV)
    assert received.json() == {"upload_id": upload_id, "bytes": len(CSV)}
    assert confirm(client, upload_id)["status"] in {"processing", "completed"}
    done = wait_for_end(client, upload_id)
    assert {name: done[name] for name in ("status", "file_name", "progress", "message")} == {
        "status": "completed",
        "file_name": "reviews of May.csv",
        "progress": {"done": len(CSV), "total": len(CSV)},
        "message": None,
    }
    assert done["report"] == {
        "group_id": 1, "pipeline_id": 1, "created": 2, "rejected": 0, "already_seeded": 0,
        "changed": 0, "updated": 0, "withdrawn": 0,
        "dry_run": False, "source": "reviews of May.csv", "rejects_uri": None, "errors": [],
    }  # fmt: skip
    assert tasks_of(workspace) == [
        '{"review_id":"001","body":"one","stars":5}',
        '{"review_id":"002","body":"two","stars":null}',
    ]


@pytest.fixture(params=["folder", "S3"])
def photo_client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestClient]:
    """A client of an application whose workflow 1 has photos, on either kind of storage."""
    root = (tmp_path / "files").as_uri()
    if request.param == "S3":
        root = f"s3://{request.getfixturevalue('s3_bucket')}/some prefix"
    store = Store.open(f"sqlite:///{tmp_path / 'photos.db'}")
    path = tmp_path / "photos.yaml"
    path.write_text(CATALOGUE, encoding="utf-8")
    apply_catalogue(store, path)
    key = create_key(store, "acme", name="t", lifetime=None, at=datetime.now(UTC))[0]
    workspace = Workspace(store, Storage(root), Limits())
    with client_of(workspace, key) as client:
        yield client
    store.close()


def archive_in(folder: Path) -> bytes:
    """Return the bytes of a ZIP with one photo."""
    rows = "photo,place,notes\na.png,Oslo,\n"
    return Path(write_zip(folder / "a.zip", rows, {"a.png": png("a")})).read_bytes()


def test_a_zip_becomes_tasks_with_their_files(photo_client: TestClient, tmp_path: Path) -> None:
    archive = Path(
        write_zip(tmp_path / "a.zip", "photo,place,notes\na.png,Oslo,\n", {"a.png": png("a")})
    )
    upload_id = upload_file(photo_client, archive.read_bytes(), file_name="a.zip")
    confirm(photo_client, upload_id)
    done = wait_for_end(photo_client, upload_id)
    assert (done["status"], done["report"]["created"]) == ("completed", 1)
    task = photo_client.get(f"{WORKFLOW}/tasks/1").json()
    address = f"http://testserver{WORKFLOW}/tasks/1/files/photo"
    assert task["fields"]["photo"] == {
        "uri": address,
        "name": "a.png",
        "size": len(png("a")),
        "sha256": sha256(png("a")).hexdigest(),
        "content_type": "image/png",
    }
    (listed,) = photo_client.get(f"{WORKFLOW}/tasks").json()["items"]
    claimed = photo_client.post(f"{WORKFLOW}/tasks/claim", json={"contributor": "ann"}).json()
    assert listed["fields"] == claimed["fields"] == task["fields"]
    assert list(task["links"]) == ["photo"]
    own = photo_client.get(f"{WORKFLOW}/tasks/1/files/photo", follow_redirects=False)
    if "testserver" in task["links"]["photo"]:
        assert task["links"] == {"photo": address}
        assert (own.status_code, own.content) == (200, png("a"))
        assert own.headers["content-type"] == "image/png"
        assert own.headers["content-disposition"] == 'attachment; filename="a.png"'
    else:
        assert own.status_code == 307
        assert httpx.get(own.headers["location"], timeout=PATIENCE_SECONDS).content == png("a")
        assert httpx.get(task["links"]["photo"], timeout=PATIENCE_SECONDS).content == png("a")
    for field in ("notes", "place", "x", "%00"):
        assert error_of(photo_client.get(f"{WORKFLOW}/tasks/1/files/{field}")) == (404, "not_found")


def test_the_content_decides_the_kind_of_file_not_the_name(
    photo_client: TestClient, tmp_path: Path
) -> None:
    archive = Path(
        write_zip(tmp_path / "a.zip", "photo,place,notes\na.png,Oslo,\n", {"a.png": png("a")})
    )
    upload_id = upload_file(photo_client, archive.read_bytes(), file_name="rows.csv")
    confirm(photo_client, upload_id)
    assert wait_for_end(photo_client, upload_id)["status"] == "completed"


def test_a_file_with_a_bad_row_fails_with_its_report(
    client: TestClient, workspace: Workspace
) -> None:
    upload_id = upload_file(client, BAD)
    confirm(client, upload_id)
    failed = wait_for_end(client, upload_id)
    assert (failed["status"], failed["report"]["created"]) == ("failed", 0)
    assert failed["report"]["errors"] == [
        {"row": 1, "field": "stars", "code": "above_maximum",
         "message": "'9' is above the maximum 5"}
    ]  # fmt: skip
    assert tasks_of(workspace) == []


def test_bad_rows_may_be_skipped(client: TestClient) -> None:
    upload_id = upload_file(client, BAD + b"002,two,4\n", on_error="skip-rows")
    confirm(client, upload_id)
    report = wait_for_end(client, upload_id)["report"]
    assert (report["created"], report["rejected"]) == (1, 1)


@pytest.mark.parametrize(
    ("max_rejected", "status", "created", "code"),
    [
        pytest.param("50%", "completed", 1, "above_maximum", id="as many as allowed"),
        pytest.param("49%", "failed", 0, "too_many_rejected", id="too many"),
        pytest.param(None, "completed", 1, "above_maximum", id="without a limit"),
    ],
)
def test_more_bad_rows_than_allowed_fail_the_upload(
    client: TestClient, max_rejected: str | None, status: str, created: int, code: str
) -> None:
    content = b"review_id,body,stars\n001,one,9\n002,two,\n"
    upload_id = upload_file(client, content, on_error="skip-rows", max_rejected=max_rejected)
    confirm(client, upload_id)
    upload = wait_for_end(client, upload_id)
    report = upload["report"]
    assert (upload["status"], report["created"], report["rejected"]) == (status, created, 1)
    assert report["errors"][0]["code"] == code


def test_the_same_content_again_makes_nothing_new(client: TestClient) -> None:
    reports = []
    for _ in range(2):
        upload_id = upload_file(client)
        confirm(client, upload_id)
        reports.append(wait_for_end(client, upload_id)["report"])
    assert [(report["created"], report["already_seeded"]) for report in reports] == [(2, 0), (0, 2)]


def test_repeated_confirmations_start_the_work_once(
    client: TestClient, workspace: Workspace
) -> None:
    upload_id = upload_file(client)
    start = Barrier(8)

    def confirm_with_others(_: int) -> str:
        start.wait()
        return str(confirm(client, upload_id)["status"])

    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(confirm_with_others, range(8)))
    assert statuses <= {"processing", "completed"}
    assert wait_for_end(client, upload_id)["report"]["created"] == 2
    assert confirm(client, upload_id)["status"] == "completed"
    assert (attempts(workspace), len(tasks_of(workspace))) == (1, 2)


def test_a_file_may_be_sent_again_until_it_is_confirmed(client: TestClient) -> None:
    promise = begin(client)
    assert put(client, promise, BAD).status_code == 200
    assert put(client, promise, CSV).status_code == 200
    confirm(client, promise["upload_id"])
    assert error_of(put(client, promise, BAD)) == (409, "upload_closed")
    assert wait_for_end(client, promise["upload_id"])["report"]["created"] == 2


def test_a_file_that_has_not_arrived_cannot_be_confirmed(photo_client: TestClient) -> None:
    promise = begin(photo_client)
    response = photo_client.post(f"{UPLOAD}/{promise['upload_id']}/confirm")
    assert error_of(response) == (409, "upload_missing")
    assert response.json()["detail"] == (
        "the file has not been uploaded yet; PUT it to the upload's URL, then confirm"
    )
    status = photo_client.get(f"{UPLOAD}/{promise['upload_id']}").json()["status"]
    assert status == "awaiting_upload"


def test_a_file_of_another_size_than_announced_is_refused(shared_client: TestClient) -> None:
    upload_id = upload_file(shared_client, CSV[:-1], size=len(CSV))
    response = shared_client.post(f"{UPLOAD}/{upload_id}/confirm")
    assert error_of(response) == (409, "upload_incomplete")
    assert response.json()["detail"] == "the file has 39 bytes, 40 were announced; PUT it again"


def test_a_file_that_is_too_large_is_refused_when_announced_sent_and_confirmed(
    embedded: Workspace, embedded_key: str, tmp_path: Path
) -> None:
    small = Workspace(embedded.store, embedded.storage, Limits(max_source_bytes=30))
    client = client_of(small, embedded_key)
    announced = client.post(UPLOAD, json={"size": 31})
    assert error_of(announced) == (413, "upload_too_large")
    promise = begin(client)
    assert error_of(put(client, promise, CSV)) == (413, "body_too_large")
    streamed = client.put(promise["upload_url"], content=iter([CSV[:20], CSV[20:]]))
    assert error_of(streamed) == (413, "body_too_large")
    assert files_in(embedded.storage) == {}
    upload_id = upload_file(client_of(embedded, embedded_key), CSV)
    response = client.post(f"{UPLOAD}/{upload_id}/confirm")
    assert error_of(response) == (413, "upload_too_large")


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 10_000])
def test_only_a_url_with_the_valid_token_accepts_the_file(
    shared_client: TestClient, token: str
) -> None:
    upload_id = begin(shared_client)["upload_id"]
    response = shared_client.put(
        f"{BASE}/uploads/{upload_id}", params={"token": token}, content=CSV
    )
    assert error_of(response) == (404, "not_found")
    without = shared_client.put(f"{BASE}/uploads/{upload_id}", content=CSV)
    assert error_of(without) == (422, "invalid_request")


def test_an_upload_url_expires(embedded: Workspace, embedded_key: str) -> None:
    moments = iter([NOW, NOW + timedelta(minutes=5), NOW + timedelta(minutes=5)])
    limits = ApiLimits(upload_minutes=5)
    client = client_of(embedded, embedded_key, limits=limits, clock=lambda: next(moments))
    promise = begin(client)
    assert promise["expires_at"] == "2026-11-25T12:05:00+00:00"
    late = put(client, promise, CSV)
    assert error_of(late) == (409, "upload_closed")
    assert late.json()["detail"] == "the URL expired on 2026-11-25 at 12:05:00 UTC; begin again"


def test_the_upload_url_follows_the_settings(embedded: Workspace, embedded_key: str) -> None:
    limits = ApiLimits(url="https://api.example.org/")
    promise = begin(client_of(embedded, embedded_key, limits=limits))
    start = f"https://api.example.org/api/v1/uploads/{promise['upload_id']}?token="
    assert promise["upload_url"].startswith(start)


def test_a_repeated_request_gets_the_same_upload_url(client: TestClient) -> None:
    key = {"Idempotency-Key": "upload-1"}
    first, again = (client.post(UPLOAD, json={}, headers=key) for _ in range(2))
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"file_name": ""}, "invalid_request"),
        ({"file_name": "a" * 201}, "invalid_request"),
        ({"file_name": "a\0b"}, "invalid_request"),
        ({"file_name": 5}, "malformed_body"),
        ({"size": "5"}, "malformed_body"),
        ({"size": -1}, "invalid_request"),
        ({"size": 1.5}, "invalid_request"),
        ({"size": 10**30}, "invalid_request"),
        ({"on_error": "ignore"}, "invalid_request"),
        ({"max_rejected": "5 percent"}, "invalid_request"),
        ({"max_rejected": 5}, "malformed_body"),
        ({"nam": "x"}, "malformed_body"),
    ],
)
def test_an_invalid_upload_request_is_refused(
    shared_client: TestClient, body: Any, code: str
) -> None:
    assert error_of(shared_client.post(UPLOAD, json=body)) == (422, code)


@pytest.mark.parametrize(
    ("workflow", "expected", "detail"),
    [
        (
            DRAFT,
            (409, "pipeline_closed"),
            "workflow acme/kinds/draft is draft and takes no tasks; set its status to active in "
            "the catalogue and apply it",
        ),
        (
            BLANK,
            (422, "no_dataset_fields"),
            "workflow acme/kinds/blank has no dataset fields for a file to fill; create blank "
            f"tasks instead: POST {BASE}/workflows/{BLANK}/tasks/bulk",
        ),
    ],
)
def test_a_workflow_that_takes_no_files_says_so(
    shared_client: TestClient, workflow: int, expected: tuple[int, str], detail: str
) -> None:
    response = shared_client.post(f"{BASE}/workflows/{workflow}/tasks/upload", json={})
    assert error_of(response) == expected
    assert response.json()["detail"] == detail


@pytest.mark.parametrize("number", ["x", "0" * 32, "%00"])
def test_a_missing_upload_is_not_found(shared_client: TestClient, number: str) -> None:
    assert error_of(shared_client.get(f"{UPLOAD}/{number}")) == (404, "not_found")
    assert error_of(shared_client.post(f"{UPLOAD}/{number}/confirm")) == (404, "not_found")
