"""Uploads whose process, pipeline or patience ends midway: nothing is lost or duplicated."""

import random
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
from sqlalchemy import text

from api_process import client_of as over_http, fork
from api_requests import error_of
from servers import wait_until
from storages import files_in
from tasks_lib.operations.upkeep.unused_files import GRACE
from tasks_lib.operations.uploads.process import (
    MAX_ATTEMPTS,
    process_upload,
    remove_uploads,
    resume_uploads,
)
from tasks_lib.operations.workspace import Workspace
from upload_calls import (
    NOW,
    UPLOAD,
    attempts,
    client_of,
    confirm,
    tasks_of,
    upload_file,
    wait_for_end,
)


def ignore_upload(workspace: Workspace, upload_id: str) -> None:
    """Ignore the upload, like a process that dies at once."""


def release_leases(workspace: Workspace) -> None:
    """Release the leases of all uploads, as if their time had passed."""
    with workspace.store.write() as session:
        session.execute(text("UPDATE uploads SET leased_until = NULL"))


def test_an_abandoned_confirmed_upload_is_picked_up(workspace: Workspace, key: str) -> None:
    client = client_of(workspace, key, process=ignore_upload)
    upload_id = upload_file(client)
    assert confirm(client, upload_id)["status"] == "processing"
    assert tasks_of(workspace) == []
    process = process_with(workspace)
    assert resume_uploads(workspace.store, process, at=datetime.now(UTC)) == 1
    assert wait_for_end(client, upload_id)["report"]["created"] == 2
    assert resume_uploads(workspace.store, process, at=datetime.now(UTC)) == 0


def process_with(workspace: Workspace) -> Callable[[str], None]:
    return lambda upload_id: process_upload(workspace, upload_id)


def test_an_upload_in_progress_is_left_alone(workspace: Workspace, key: str) -> None:
    client = client_of(workspace, key, process=ignore_upload)
    upload_id = upload_file(client)
    confirm(client, upload_id)
    now = datetime.now(UTC)
    with workspace.store.write() as session:
        session.execute(
            text("UPDATE uploads SET leased_until = :until"), {"until": now + timedelta(minutes=1)}
        )
    process_upload(workspace, upload_id)
    assert resume_uploads(workspace.store, process_with(workspace), at=now) == 0
    assert (attempts(workspace), tasks_of(workspace)) == (0, [])


def test_a_kill_after_the_tasks_were_created_duplicates_nothing(
    workspace: Workspace, key: str
) -> None:
    client = client_of(workspace, key)
    upload_id = upload_file(client)
    confirm(client, upload_id)
    report = wait_for_end(client, upload_id)["report"]
    with (
        workspace.store.write() as session
    ):  # as if the process had died before it recorded the end
        session.execute(text("UPDATE uploads SET status = 'processing', leased_until = NULL"))
    assert client.get(f"{UPLOAD}/{upload_id}").json()["status"] == "completed"
    process_upload(workspace, upload_id)
    assert resume_uploads(workspace.store, process_with(workspace), at=datetime.now(UTC)) == 0
    assert client.get(f"{UPLOAD}/{upload_id}").json()["report"] == report
    assert (attempts(workspace), len(tasks_of(workspace))) == (1, 2)


def test_an_upload_that_keeps_failing_is_abandoned(workspace: Workspace, key: str) -> None:
    client = client_of(workspace, key, process=ignore_upload)
    upload_id = upload_file(client)
    confirm(client, upload_id)
    with workspace.store.write() as session:
        session.execute(text(f"UPDATE uploads SET attempts = {MAX_ATTEMPTS}"))
    resume_uploads(workspace.store, process_with(workspace), at=datetime.now(UTC))
    failed = client.get(f"{UPLOAD}/{upload_id}").json()
    assert (failed["status"], failed["message"]) == (
        "failed", "given up after 5 attempts; the logs say why they failed",
    )  # fmt: skip


def test_files_of_finished_and_forgotten_uploads_are_removed(
    workspace: Workspace, key: str
) -> None:
    moments = iter([NOW] * 20)
    client = client_of(workspace, key, process=ignore_upload, clock=lambda: next(moments))
    over, waiting, forgotten = (upload_file(client) for _ in range(3))
    confirm(client, over)
    process_upload(workspace, over)
    confirm(client, waiting)
    expiry = NOW + timedelta(hours=1)
    assert remove_old_uploads(workspace, expiry + GRACE) == 1
    assert names(workspace) == {f"{waiting}-upload.zip", f"{forgotten}-upload.zip"}
    assert remove_old_uploads(workspace, expiry + GRACE + timedelta(seconds=1)) == 1
    assert names(workspace) == {f"{waiting}-upload.zip"}
    document = client.get(f"{UPLOAD}/{forgotten}").json()
    assert (document["status"], document["message"]) == (
        "failed", "the upload was not confirmed in time",
    )  # fmt: skip
    assert client.get(f"{UPLOAD}/{over}").json()["report"]["created"] == 2
    process_upload(workspace, waiting)
    assert remove_old_uploads(workspace, NOW) == 1
    assert names(workspace) == set()


def remove_old_uploads(workspace: Workspace, now: datetime) -> int:
    return remove_uploads(workspace, now=now, grace=GRACE)


def names(workspace: Workspace) -> set[str]:
    files = files_in(workspace.storage)
    return {uri.rpartition("/")[2] for uri in files if "/uploads/" in uri}


def test_a_pipeline_closed_in_the_meantime_fails_the_upload_with_a_report(
    workspace: Workspace, key: str
) -> None:
    client = client_of(workspace, key, process=ignore_upload)
    upload_id = upload_file(client)
    confirm(client, upload_id)
    with workspace.store.write() as session:
        session.execute(text("UPDATE pipelines SET status = 'archived' WHERE id = 1"))
    process_upload(workspace, upload_id)
    failed = wait_for_end(client, upload_id)
    assert (failed["status"], [error["code"] for error in failed["report"]["errors"]]) == (
        "failed", ["pipeline_closed"],
    )  # fmt: skip


def test_a_server_killed_after_the_confirmation_loses_and_duplicates_nothing(
    workspace: Workspace, key: str
) -> None:
    dice = random.Random(2026)
    kills, cut_short = 6, 0
    for number in range(kills):
        content = b"review_id,body,stars\n" + b"".join(
            b"%d-%d,body,5\n" % (number, row) for row in range(2_000)
        )
        with fork(workspace) as server, over_http(server, key) as client:
            upload_id = begin_and_put(client, content)
            assert client.post(f"{UPLOAD}/{upload_id}/confirm").status_code == 202
            time.sleep(dice.uniform(0, 0.1))
            server.kill()
        cut_short += count(workspace) == 2_000 * number
        release_leases(workspace)
        resume_uploads(workspace.store, process_with(workspace), at=datetime.now(UTC))
        done = client_of(workspace, key).get(f"{UPLOAD}/{upload_id}").json()
        assert (done["status"], done["report"]["created"]) == ("completed", 2_000)
        assert count(workspace) == 2_000 * (number + 1)
    assert cut_short >= 1, "the kills came too late to prove anything"


def begin_and_put(client: httpx.Client, content: bytes) -> str:
    promise = client.post(UPLOAD, json={}).json()
    assert client.put(promise["upload_url"], content=content).status_code == 200
    return str(promise["upload_id"])


def count(workspace: Workspace) -> int:
    with workspace.store.read() as session:
        return session.scalar(text("SELECT count(*) FROM tasks")) or 0


def test_an_interrupted_upload_leaves_no_file(embedded: Workspace, embedded_key: str) -> None:
    with fork(embedded) as server, over_http(server, embedded_key) as client:
        promise = client.post(UPLOAD, json={}).json()
        address = urlsplit(promise["upload_url"])
        with socket.create_connection((address.hostname, address.port)) as connection:
            head = f"PUT {address.path}?{address.query} HTTP/1.1\r\nHost: x\r\n"
            connection.sendall(f"{head}Content-Length: 5000000\r\n\r\n".encode())
            connection.sendall(b"x" * 2_000_000)
            wait_until(lambda: any(files_in(embedded.storage).values()))
        wait_until(lambda: files_in(embedded.storage) == {})
        response = client.post(f"{UPLOAD}/{promise['upload_id']}/confirm")
        assert error_of(response) == (409, "upload_missing")
