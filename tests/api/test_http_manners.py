"""The API behaves as HTTP users expect: ETags, Location, and pages of other origins."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from api_requests import BASE, BLANK, GOOD, TASKS, WORKFLOW, error_of, tasks
from tasks_lib.api.app import create_app
from tasks_lib.domain.limits import ApiLimits
from tasks_lib.operations.workspace import Workspace

PAGE = "https://labels.example.org"
ASKED = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-api-key, content-type, idempotency-key",
}


@pytest.fixture
def client(workspace: Workspace, key: str) -> TestClient:
    """A client of an application on either database."""
    return TestClient(create_app(workspace), headers={"X-API-Key": key})


@pytest.fixture
def open_client(embedded: Workspace, embedded_key: str) -> Iterator[TestClient]:
    """A client of an application that pages of one origin may call."""
    app = create_app(embedded, limits=ApiLimits(cors_origins=(PAGE,)))
    with TestClient(app, headers={"X-API-Key": embedded_key}) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/openapi.json", "/workflows/1/schema", "/workflows/1/template.csv"]
)
def test_a_document_is_not_sent_to_a_client_that_has_it(
    shared_client: TestClient, path: str
) -> None:
    whole = shared_client.get(BASE + path)
    tag = whole.headers["etag"]
    assert (whole.status_code, whole.headers["cache-control"]) == (200, "no-cache")
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        kept = shared_client.get(BASE + path, headers={"If-None-Match": known})
        assert (kept.status_code, kept.content, kept.headers["etag"]) == (304, b"", tag)
    for other in ('"x"', "x", "", tag.strip('"')):
        again = shared_client.get(BASE + path, headers={"If-None-Match": other})
        assert (again.status_code, again.content) == (200, whole.content)
    head = shared_client.head(BASE + path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)


def test_the_openapi_document_needs_no_key(shared_client: TestClient) -> None:
    anonymous = TestClient(shared_client.app)
    assert anonymous.get(f"{BASE}/openapi.json").json()["openapi"].startswith("3.")
    assert error_of(anonymous.get(f"{BASE}/openapi.json?x=1")) == (422, "invalid_request")


def test_an_answer_names_the_place_of_what_was_created(client: TestClient) -> None:
    headers = {"Idempotency-Key": "one"}
    for _ in range(2):
        made = client.post(TASKS, json=tasks(GOOD, GOOD), headers=headers)
        assert made.headers["location"] == f"{TASKS}?group_id=1"
    assert client.get(made.headers["location"]).json()["total"] == 2
    blank = client.post(f"{BASE}/workflows/{BLANK}/tasks/bulk", json={"count": 3})
    assert blank.headers["location"] == f"{BASE}/workflows/{BLANK}/tasks?group_id=2"
    begun = client.post(f"{TASKS}/upload", headers={"Idempotency-Key": "two"})
    upload = f"{WORKFLOW}/tasks/upload/{begun.json()['upload_id']}"
    assert begun.headers["location"] == upload
    again = client.post(f"{TASKS}/upload", headers={"Idempotency-Key": "two"})
    assert (again.headers["location"], again.headers["idempotent-replayed"]) == (upload, "true")
    assert client.get(upload).status_code == 200
    assert "location" not in client.post(TASKS, json=tasks({})).headers


def test_a_page_of_a_named_origin_may_call_the_api(open_client: TestClient) -> None:
    asked = open_client.options(TASKS, headers=ASKED)
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert asked.headers["access-control-allow-methods"] == "GET, HEAD, POST, PUT, DELETE"
    assert "Idempotency-Key" in asked.headers["access-control-allow-headers"]
    for key in (open_client.headers["X-API-Key"], "no key"):
        answer = open_client.get(TASKS, headers={"Origin": PAGE, "X-API-Key": key})
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "access-control-allow-credentials" not in answer.headers
        assert "Retry-After" in answer.headers["access-control-expose-headers"]


def test_other_pages_may_not_call_the_api(open_client: TestClient) -> None:
    other = ASKED | {"Origin": "https://elsewhere.example.org"}
    refused = open_client.options(TASKS, headers=other)
    assert error_of(refused) == (400, "cross_origin_refused")
    assert "access-control-allow-origin" not in refused.headers
    answer = open_client.get(TASKS, headers={"Origin": other["Origin"]})
    assert "access-control-allow-origin" not in answer.headers


def test_no_page_may_call_the_api_without_the_setting(shared_client: TestClient) -> None:
    asked = shared_client.options(TASKS, headers=ASKED)
    assert error_of(asked) == (405, "method_not_allowed")
    answer = shared_client.get(TASKS, headers={"Origin": PAGE})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_openapi_document_knows_the_limits(shared_client: TestClient) -> None:
    described = shared_client.get(f"{BASE}/openapi.json").json()
    count = described["components"]["schemas"]["NewBlankTasks"]["properties"]["count"]
    assert (count["minimum"], count["maximum"]) == (1, 1_000_000)
    for calls in described["paths"].values():
        for call in calls.values():
            assert {"400", "408", "431", "503"} <= set(call["responses"])
            for status in {"201", "202"} & set(call["responses"]):
                assert list(call["responses"][status]["headers"]) == ["Location"]
