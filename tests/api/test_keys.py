"""An API key gives access to its own organization until it expires or is revoked."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from api_requests import OTHER, TASKS, WORKFLOW, NewKey, error_of
from tasks_lib.api.app import create_app
from tasks_lib.operations import api_keys
from tasks_lib.operations.workspace import Workspace

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "headers",
    [{"X-API-Key": "{}"}, {"Authorization": "Bearer {}"}, {"authorization": "bearer {}"}],
    ids=["X-API-Key", "Bearer", "bearer"],
)
def test_a_key_is_sent_in_either_header(shared_client: TestClient, headers: dict[str, str]) -> None:
    key = shared_client.headers["X-API-Key"]
    bare = TestClient(shared_client.app)
    sent = {name: value.format(key) for name, value in headers.items()}
    assert bare.get(WORKFLOW, headers=sent).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({"Authorization": "Basic YTpi"}, "missing_api_key"),
        ({"X-API-Key": "pk_live_" + 40 * "0"}, "invalid_api_key"),
        ({"X-API-Key": "pk_live_"}, "invalid_api_key"),
        ({"X-API-Key": ("é" * 48).encode()}, "invalid_api_key"),
        ({"Authorization": "Bearer " + 10_000 * "x"}, "invalid_api_key"),
    ],
    ids=["none", "another scheme", "unknown", "its beginning", "not ASCII", "long"],
)
def test_an_unknown_key_gives_access_to_nothing(
    shared_client: TestClient, headers: dict[str, str], code: str
) -> None:
    response = TestClient(shared_client.app).get(WORKFLOW, headers=headers)
    assert error_of(response) == (401, code)
    assert response.headers["www-authenticate"] == 'Bearer realm="task-seeding"'


def test_a_key_stops_when_it_expires(workspace: Workspace, new_key: NewKey) -> None:
    key = api_keys.create_key(
        workspace.store, "acme", name="short", lifetime=timedelta(minutes=1), at=NOW
    )[0]
    moments = iter([NOW, NOW + timedelta(seconds=59), NOW + timedelta(minutes=1)])
    client = TestClient(create_app(workspace, clock=lambda: next(moments)))
    answers = [client.get(WORKFLOW, headers={"X-API-Key": key}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 401]
    assert error_of(answers[2]) == (401, "expired_api_key")
    assert answers[2].json()["detail"] == "the key expired on 2026-11-25 at 12:01:00 UTC"


def test_a_key_stops_at_once_when_it_is_revoked(
    client: TestClient, workspace: Workspace, key: str
) -> None:
    assert client.get(WORKFLOW).status_code == 200
    api_keys.revoke_key(workspace.store, key, at=NOW)
    assert error_of(client.get(WORKFLOW)) == (401, "revoked_api_key")


def test_the_store_never_holds_the_key(workspace: Workspace, key: str) -> None:
    with workspace.store.read() as session:
        (row,) = session.execute(text("SELECT * FROM api_keys")).mappings()
    assert key not in str(dict(row))
    assert row["prefix"] == key[:16]


def test_another_organizations_workflow_looks_like_a_missing_one(
    shared_client: TestClient, new_key: NewKey, workspace: Workspace
) -> None:
    response = shared_client.get(f"/api/v1/workflows/{OTHER}")
    absent = shared_client.get("/api/v1/workflows/9")
    assert error_of(response) == error_of(absent) == (404, "not_found")
    assert response.text.replace(str(OTHER), "9") == absent.text
    theirs = {"X-API-Key": new_key("other")}
    client = TestClient(create_app(workspace), headers=theirs)
    assert client.get(f"/api/v1/workflows/{OTHER}").json()["organization"] == "other"
    assert error_of(client.get(WORKFLOW)) == (404, "not_found")


@pytest.mark.parametrize("number", ["x", "-1", "1.0", "\uff11", "9" * 400, "%00", "1%2F2"])
def test_a_workflow_id_must_be_a_number(shared_client: TestClient, number: str) -> None:
    assert error_of(shared_client.get(f"/api/v1/workflows/{number}")) == (404, "not_found")


def test_uses_are_recorded_but_not_on_every_request(workspace: Workspace, key: str) -> None:
    def last_used() -> datetime | None:
        (entry,) = api_keys.list_keys(workspace.store, "acme")
        return entry.last_used_at

    moments = iter([NOW, NOW + timedelta(seconds=1)])
    app = create_app(workspace, clock=lambda: next(moments))
    with TestClient(app, headers={"X-API-Key": key}) as client:
        for _ in range(2):
            assert client.get(TASKS).status_code == 200
        assert last_used() is None
    assert last_used() == NOW + timedelta(seconds=1)


def test_a_later_use_recorded_by_another_process_is_kept(workspace: Workspace, key: str) -> None:
    for moment in (NOW, NOW - timedelta(minutes=1)):
        uses = api_keys.KeyUses()
        uses.note(1, moment)
        uses.write(workspace.store)
    (entry,) = api_keys.list_keys(workspace.store, "acme")
    assert entry.last_used_at == NOW
