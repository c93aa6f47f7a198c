"""How an upload's file is read and seeded can be said, and its rejected rows are downloaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from keyed import declare
from starlette.testclient import TestClient

from api_requests import BASE, OTHER, TASKS, WORKFLOW, NewKey, error_of
from servers import wait_until
from tasks_lib.api.app import create_app
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace

UPLOAD = f"{WORKFLOW}/tasks/upload"
GOOD = b"review_id,body,stars\n001,one,5\n"
BAD = b"review_id,body,stars\n" + b"".join(b"%d,b,9\n" % row for row in range(150))

Send = Callable[..., dict[str, Any]]


@pytest.fixture
def client(workspace: Workspace, key: str) -> TestClient:
    return TestClient(create_app(workspace), headers={"X-API-Key": key})


@pytest.fixture
def send(client: TestClient) -> Send:
    """A function that uploads a file with options, and returns the upload once it has ended."""

    def send(content: bytes, **options: Any) -> dict[str, Any]:
        promise = client.post(UPLOAD, json=options).json()
        assert client.put(promise["upload_url"], content=content).status_code == 200
        here = f"{UPLOAD}/{promise['upload_id']}"
        confirmed = client.post(f"{here}/confirm")
        assert confirmed.status_code == 202, confirmed.text
        wait_until(lambda: client.get(here).json()["status"] in {"completed", "failed"})
        document: dict[str, Any] = client.get(here).json()
        return document

    return send


def bodies(workspace: Workspace) -> list[str]:
    return [task.fields for task in list_tasks(workspace.store, "1")]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (
            "review_id;body;stars\n1;a, ü;\n".encode("cp1252"),
            {"delimiter": ";", "encoding": "cp1252"},
        ),
        ("review_id\tbody\tstars\n1\ta, ü\t\n".encode(), {"delimiter": "tab"}),
        ('review_id,body,stars\n1,"a, ü",\n'.encode("utf-16"), {"encoding": "utf-16"}),
    ],
    ids=["Windows", "tabs", "UTF-16"],
)
def test_the_dialect_of_a_csv_can_be_said(
    workspace: Workspace, send: Send, content: bytes, options: dict[str, str]
) -> None:
    assert send(content, **options)["report"]["created"] == 1
    assert bodies(workspace) == ['{"review_id":"1","body":"a, ü","stars":null}']


def test_the_csv_of_a_zip_can_be_named(workspace: Workspace, send: Send, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", GOOD)
        archive.writestr("b.csv", GOOD.replace(b"one", b"two"))
    content = (tmp_path / "two.zip").read_bytes()
    assert send(content)["status"] == "failed"
    assert send(content, csv_name="b.csv")["report"]["created"] == 1
    assert bodies(workspace) == ['{"review_id":"001","body":"two","stars":5}']


def test_a_dry_run_reports_and_creates_nothing(workspace: Workspace, send: Send) -> None:
    done = send(GOOD, dry_run=True)
    assert (done["status"], done["report"]["dry_run"], done["report"]["created"]) == (
        "completed", True, 1,
    )  # fmt: skip
    failed = send(BAD, dry_run=True)
    assert (failed["status"], failed["report"]["rejected"]) == ("failed", 150)
    assert bodies(workspace) == []


def test_known_content_is_seeded_again_only_on_request(workspace: Workspace, send: Send) -> None:
    created = [
        send(GOOD, allow_duplicate=again)["report"]["created"] for again in (False, None, True)
    ]
    assert created == [1, 0, 1]
    assert len(bodies(workspace)) == 2


def test_a_full_file_withdraws_the_tasks_whose_rows_it_lacks(
    workspace: Workspace, catalogue_file: Path, send: Send
) -> None:
    declare(workspace, catalogue_file, "key: [review_id]\n            on_missing: withdraw")
    send(b"review_id,body,stars\n1,a,\n2,b,\n3,c,\n", file_name="reviews-2026-11-29.csv")
    send(b"review_id,body,stars\n9,z,\n", file_name="other.csv")
    options = {"file_name": "reviews-2026-11-30.csv", "full": True}
    failed = send(b"review_id,body,stars\n1,a,\n", **options)
    assert [error["code"] for error in failed["report"]["errors"]] == ["too_many_missing"]
    done = send(b"review_id,body,stars\n1,a,\n", **options, allow_shrink=True)
    assert (done["report"]["already_seeded"], done["report"]["withdrawn"]) == (1, 2)
    statuses = [task.status for task in list_tasks(workspace.store, "1")]
    assert statuses == ["pending", "withdrawn", "withdrawn", "pending"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": "##"}, "delimiter"),
        ({"dry_run": 1}, "the member 'dry_run' must be a boolean; it is a number"),
        ({"encodign": "x"}, "the body has the unknown member 'encodign'; did you mean 'encoding'?"),
    ],
)
def test_invalid_options_are_refused(
    client: TestClient, options: dict[str, Any], message: str
) -> None:
    response = client.post(UPLOAD, json=options)
    assert response.status_code == 422
    assert message in response.json()["detail"]


def test_a_name_in_a_zip_is_refused_for_another_file(client: TestClient) -> None:
    promise = client.post(UPLOAD, json={"csv_name": "b.csv"}).json()
    client.put(promise["upload_url"], content=GOOD)
    response = client.post(f"{UPLOAD}/{promise['upload_id']}/confirm")
    assert error_of(response) == (422, "invalid_request")


def test_all_rejected_rows_are_downloaded_and_no_place_on_the_server_is_told(
    workspace: Workspace, client: TestClient, send: Send, new_key: NewKey
) -> None:
    done = send(BAD + b"ok,c,1\n", on_error="skip-rows", file_name="stars.csv")
    report = done["report"]
    assert (report["created"], report["rejected"], len(report["errors"])) == (1, 150, 100)
    assert report["source"] == "stars.csv"
    url = f"http://testserver{UPLOAD}/{done['upload_id']}/rejects.csv"
    assert report["rejects_uri"] == url
    rejects = client.get(url)
    assert rejects.headers["content-type"] == "text/csv; charset=utf-8"
    rows = rejects.content.decode("utf-8-sig").splitlines()
    assert len(rows) == 151
    assert rows[0].startswith("review_id,body,stars,")
    root = workspace.storage.root
    pages = [client.get(f"{UPLOAD}/{done['upload_id']}"), client.get(TASKS)]
    assert [page for page in pages if root in page.text or root[7:] in page.text] == []
    theirs = client.get(url, headers={"X-API-Key": new_key("other")})
    assert error_of(theirs) == (404, "not_found")
    elsewhere = client.get(url.replace("workflows/1", f"workflows/{OTHER}"))
    assert error_of(elsewhere) == (404, "not_found")


def test_an_upload_without_rejected_rows_has_no_file_of_them(
    client: TestClient, send: Send
) -> None:
    done = send(GOOD)
    assert done["report"]["rejects_uri"] is None
    response = client.get(f"{UPLOAD}/{done['upload_id']}/rejects.csv")
    assert error_of(response) == (404, "not_found")


def test_a_message_about_a_file_names_it_as_its_sender_does(send: Send) -> None:
    failed = send(b"\xff\xfe\x00", file_name="mine.csv")
    (error,) = failed["report"]["errors"]
    assert "/" not in error["message"]


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"Content-Range": "bytes 0-9/100"}, (422, "invalid_request")),
        ({"Content-Encoding": "gzip"}, (415, "unsupported_media_type")),
    ],
)
def test_a_part_of_a_file_and_a_packed_file_are_refused(
    client: TestClient, headers: dict[str, str], answer: tuple[int, str]
) -> None:
    promise = client.post(UPLOAD, json={}).json()
    response = client.put(promise["upload_url"], content=GOOD, headers=headers)
    assert error_of(response) == answer
    unknown = client.put(f"{BASE}/uploads/x?token=y&part=1", content=GOOD)
    assert error_of(unknown) == (422, "invalid_request")


def test_a_stored_file_answers_ranges_and_etags(send: Send, client: TestClient) -> None:
    done = send(BAD, file_name="stars.csv")
    url = done["report"]["rejects_uri"]
    whole = client.get(url)
    tag = whole.headers["etag"]
    for known in (tag, f'"x", W/{tag}', "*"):
        kept = client.get(url, headers={"If-None-Match": known})
        assert (kept.status_code, kept.content, kept.headers["etag"]) == (304, b"", tag)
    assert client.get(url, headers={"If-None-Match": '"x"'}).content == whole.content
    part = client.get(url, headers={"Range": "bytes=3-11"})
    assert (part.status_code, part.content) == (206, whole.content[3:12])
    malformed = client.get(url, headers={"Range": "bytes=x"})
    assert error_of(malformed) == (400, "invalid_range")
    beyond = client.get(url, headers={"Range": "bytes=9999999-"})
    assert error_of(beyond) == (416, "range_not_satisfiable")
    assert beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    head = client.head(url)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(whole.content)))


def test_an_upload_names_the_group_of_its_tasks(client: TestClient, send: Send) -> None:
    naming = {"name": "late ones", "labels": {"batch": "night"}}
    done = send(GOOD, **naming)
    group = client.get(f"{BASE}/groups/{done['report']['group_id']}").json()
    assert {name: group[name] for name in naming} == naming
