"""An Idempotency-Key and its body create tasks once, despite races, retries and kills."""

import json
import random
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from api_process import Server, client_of, fork
from api_requests import GOOD, TASKS, error_of, tasks
from people import counts, recount
from servers import wait_until
from tasks_lib.api.app import create_app
from tasks_lib.operations.idempotency import remove_old_answers
from tasks_lib.operations.workspace import Workspace

BODY = json.dumps(tasks(*[GOOD] * 200)).encode()
HEADERS = {"Idempotency-Key": "k-1", "Content-Type": "application/json"}
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def task_count(workspace: Workspace) -> int:
    with workspace.store.read() as session:
        return session.scalar(text("SELECT count(*) FROM tasks")) or 0


def test_the_same_request_gets_the_first_answer_byte_for_byte(
    client: TestClient, workspace: Workspace
) -> None:
    first = client.post(TASKS, content=BODY, headers=HEADERS)
    again = client.post(TASKS, content=BODY, headers=HEADERS)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert task_count(workspace) == 200
    assert counts(workspace.store) == recount(workspace.store)


@pytest.mark.parametrize(
    "body", [b"{}", b'{"tasks": "', b" " + BODY], ids=["other", "bad", "space"]
)
def test_another_body_with_the_same_key_is_refused(
    client: TestClient, workspace: Workspace, body: bytes
) -> None:
    client.post(TASKS, content=BODY, headers=HEADERS)
    response = client.post(TASKS, content=body, headers=HEADERS)
    assert error_of(response) == (409, "idempotency_key_reused")
    assert task_count(workspace) == 200


def test_a_request_that_was_rejected_can_be_corrected_under_its_key(
    client: TestClient, workspace: Workspace
) -> None:
    rejected = client.post(TASKS, json=tasks(GOOD | {"stars": 9}), headers=HEADERS)
    assert error_of(rejected) == (422, "tasks_rejected")
    assert client.post(TASKS, json=tasks(GOOD), headers=HEADERS).status_code == 201
    assert task_count(workspace) == 1


def test_an_answer_is_replayed_for_24_hours(workspace: Workspace, key: str) -> None:
    moments = iter([NOW, NOW + timedelta(hours=24), NOW + timedelta(hours=24, seconds=1)])
    app = create_app(workspace, clock=lambda: next(moments))
    client = TestClient(app, headers={"X-API-Key": key})
    answers = [client.post(TASKS, content=BODY, headers=HEADERS).json() for _ in range(3)]
    assert [answer["group_id"] for answer in answers] == [1, 1, 2]


def test_old_answers_are_removed_and_others_stay(workspace: Workspace, key: str) -> None:
    moments = iter([NOW, NOW + timedelta(hours=1)])
    app = create_app(workspace, clock=lambda: next(moments))
    client = TestClient(app, headers={"X-API-Key": key})
    for name in ("old", "young"):
        client.post(TASKS, content=BODY, headers=HEADERS | {"Idempotency-Key": name})
    assert remove_old_answers(workspace.store, now=NOW + timedelta(hours=24, minutes=1)) == 1
    with workspace.store.read() as session:
        assert session.scalars(text("SELECT key FROM idempotent_answers")).all() == ["young"]


def test_a_key_belongs_to_an_organization(client: TestClient, workspace: Workspace) -> None:
    client.post(TASKS, content=BODY, headers=HEADERS)
    with workspace.store.write() as session:
        session.execute(text("UPDATE idempotent_answers SET organization_id = 2"))
    assert client.post(TASKS, content=BODY, headers=HEADERS).json()["group_id"] == 2


@pytest.mark.parametrize("given", ["", "a" * 256, "two words", "é".encode("latin-1")])
def test_an_invalid_key_is_refused(shared_client: TestClient, given: str | bytes) -> None:
    headers: dict[str, Any] = {"Idempotency-Key": given, "Content-Type": "application/json"}
    response = shared_client.post(TASKS, content=BODY, headers=headers)
    assert error_of(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == ["Idempotency-Key"]


def test_concurrent_requests_create_the_tasks_once_and_share_the_answer(
    client: TestClient, workspace: Workspace
) -> None:
    start = Barrier(8)

    def post(_: int) -> tuple[int, bytes, bool]:
        start.wait()
        response = client.post(TASKS, content=BODY, headers=HEADERS)
        replayed = response.headers.get("idempotent-replayed") == "true"
        return response.status_code, response.content, replayed

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(8)))
    assert {answer[:2] for answer in answers} == {(201, answers[0][1])}
    assert Counter(answer[2] for answer in answers) == {True: 7, False: 1}
    assert task_count(workspace) == 200


def test_two_processes_on_one_store_create_the_tasks_once(workspace: Workspace, key: str) -> None:
    with fork(workspace) as one, fork(workspace) as two:
        clients = [client_of(one, key), client_of(two, key)]
        with ThreadPoolExecutor(8) as pool:
            for number in range(5):
                headers = HEADERS | {"Idempotency-Key": f"k-{number}"}
                answers = [
                    pool.submit(clients[k % 2].post, TASKS, content=BODY, headers=headers)
                    for k in range(8)
                ]
                assert len({answer.result().content for answer in answers}) == 1
        for client in clients:
            client.close()
    assert task_count(workspace) == 5 * 200
    assert counts(workspace.store) == recount(workspace.store)


def post_in_vain(server: Server, key: str, headers: dict[str, str]) -> None:
    with suppress(httpx.TransportError), client_of(server, key) as client:
        client.post(TASKS, content=BODY, headers=headers)


def test_a_kill_before_the_answer_leaves_nothing_and_the_retry_creates_the_tasks(
    workspace: Workspace, key: str
) -> None:
    """A lock stops the server after the tasks, before the answer is stored; PostgreSQL only."""
    if not workspace.store.is_postgresql:
        return
    stop_before_storing_answers(workspace)
    with ThreadPoolExecutor(1) as pool, fork(workspace) as server:
        with workspace.store.write() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(7)"))
            posted: Future[None] = pool.submit(post_in_vain, server, key, HEADERS)
            waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            wait_until(lambda: session.scalar(waits) == 1)
            server.kill()
        posted.result()
    assert task_count(workspace) == 0
    with fork(workspace) as server, client_of(server, key) as client:
        answers = [client.post(TASKS, content=BODY, headers=HEADERS) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert task_count(workspace) == 200


def stop_before_storing_answers(workspace: Workspace) -> None:
    with workspace.store.write() as session:
        session.execute(
            text(
                "CREATE FUNCTION wait_there() RETURNS trigger AS $$"
                " BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$ LANGUAGE plpgsql"
            )
        )
        session.execute(
            text(
                "CREATE TRIGGER wait_there BEFORE UPDATE ON idempotent_answers"
                " FOR EACH ROW EXECUTE FUNCTION wait_there()"
            )
        )


def test_every_task_exists_once_after_random_kills_and_retries(
    workspace: Workspace, key: str
) -> None:
    dice = random.Random(1807)
    kills, cut_short = 8, 0
    with ThreadPoolExecutor(1) as pool:
        for number in range(kills):
            headers = HEADERS | {"Idempotency-Key": f"k-{number}"}
            with fork(workspace) as server:
                posted = pool.submit(post_in_vain, server, key, headers)
                time.sleep(dice.uniform(0, 0.15))
                server.kill()
                posted.result()
            cut_short += task_count(workspace) == 200 * number
            client = TestClient(create_app(workspace), headers={"X-API-Key": key})
            assert client.post(TASKS, content=BODY, headers=headers).json()["created"] == 200
            assert task_count(workspace) == 200 * (number + 1)
    assert cut_short >= 1, "the kills came too late to prove anything"
    assert counts(workspace.store) == recount(workspace.store)


def test_the_retry_after_a_kill_past_the_commit_gets_the_lost_answer(
    workspace: Workspace, key: str
) -> None:
    with ThreadPoolExecutor(1) as pool, fork(workspace) as server:
        posted = pool.submit(post_in_vain, server, key, HEADERS)
        wait_until(lambda: task_count(workspace) == 200)
        server.kill()
        posted.result()
    client = TestClient(create_app(workspace), headers={"X-API-Key": key})
    again = client.post(TASKS, content=BODY, headers=HEADERS)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {"created": 200, "group_id": 1, "task_ids": list(range(1, 201))}
    assert task_count(workspace) == 200
