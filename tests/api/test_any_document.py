"""No JSON document breaks a call, and no answer to a wrong one grows with it."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from fastapi.routing import APIRoute
from hypothesis import given, settings
from starlette.testclient import TestClient

from api_requests import BASE, TASKS, WORKFLOW, error_of, tasks
from tasks_lib.api.errors import CODES

POSTS = [
    TASKS, f"{TASKS}/bulk", f"{TASKS}/claim", f"{TASKS}/1/submit", f"{TASKS}/1/release",
    f"{TASKS}/1/status", f"{TASKS}/upload", f"{TASKS}/upload/1/confirm", f"{WORKFLOW}/infinite",
    f"{BASE}/chains", f"{BASE}/chains/1", f"{BASE}/chains/1/pause", f"{BASE}/chains/1/resume",
]  # fmt: skip
MEMBERS = [
    "tasks", "fields", "count", "contributor", "status", "reason", "file_name", "size", "on_error",
    "max_rejected", "delimiter", "encoding", "csv_name", "dry_run", "allow_duplicate", "target",
    "keep_available", "copy_groups", "source", "on", "mapping", "skip", "include_existing",
    "review_id", "body", "stars", "sentiment",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", "ann", "pending", "task-completion", "skip-rows", "10%", "tab", "utf-16", "good",
         "\0", "\u202e", "e\u0301", "body:$..*", "x" * 300],
    ),
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0, 1, 10**20])
)
DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(MEMBERS), TEXTS), inner, max_size=6),
    ),
    max_leaves=12,
)


def test_every_post_is_tried(shared_client: TestClient) -> None:
    app: Any = shared_client.app
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    assert len([route for route in routes if "POST" in (route.methods or ())]) == len(POSTS)


@pytest.mark.parametrize("path", POSTS)
@settings(max_examples=60)
@given(document=DOCUMENTS, is_spaced=st.booleans())
def test_any_document_is_answered_by_a_success_or_one_of_our_errors(
    shared_client: TestClient, path: str, document: Any, is_spaced: bool
) -> None:
    body = json.dumps(document, indent=1 if is_spaced else None)
    response = shared_client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code < 500, (path, body, response.text)
    if response.status_code >= 400:
        assert CODES[error_of(response)[1]][0] == response.status_code
    assert len(response.content) < 2**16


@pytest.mark.parametrize(
    ("document", "code"),
    [("null", "malformed_body"), ("0", "malformed_body"), ('"tasks"', "malformed_body")],
)
def test_a_document_that_is_no_object_is_refused(
    shared_client: TestClient, document: str, code: str
) -> None:
    for path in (TASKS, f"{TASKS}/claim", f"{WORKFLOW}/infinite", f"{BASE}/chains"):
        response = shared_client.post(
            path, content=document, headers={"Content-Type": "application/json"}
        )
        assert error_of(response) == (422, code)


LONG = "é" * 2**20
HIDDEN = "\u202e" * 2**20
MANY = {f"unknown-{number}": number for number in range(50_000)}


@pytest.mark.parametrize(
    ("path", "document"),
    [
        *[(path, {LONG: 1}) for path in POSTS if "confirm" not in path and "/1/p" not in path][:9],
        (TASKS, tasks({LONG: 1})),
        (TASKS, tasks({HIDDEN: 1})),
        (TASKS, tasks(MANY)),
        (TASKS, tasks(*[{"review_id": LONG[:900], "stars": LONG[:900]}] * 4_000)),
        (TASKS, {"tasks": [None] * 5_000}),
        (TASKS, {"tasks": [{"fields": {}}] * 60_000}),
        (f"{TASKS}/1/submit", {"contributor": "ann", "fields": MANY}),
        (f"{TASKS}/1/submit", {"contributor": "ann", "fields": {HIDDEN: 1}}),
        (f"{TASKS}/1/submit", {"contributor": LONG, "fields": {}}),
        (f"{TASKS}/claim", {"contributor": LONG[:20_000]}),
        (f"{TASKS}/upload", {"max_rejected": LONG[:20_000], "on_error": "skip-rows"}),
        (f"{WORKFLOW}/infinite", {"copy_groups": list(range(1, 9_000))}),
        (f"{BASE}/chains", {"target": 3, "source": 1, "on": "task-completion",
                            "mapping": {f"f{number}": "x" for number in range(4_000)}}),
    ],
)  # fmt: skip
def test_an_answer_does_not_grow_with_the_request(
    shared_client: TestClient, path: str, document: Any
) -> None:
    body = json.dumps(document, ensure_ascii=False).encode()
    response = shared_client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in {404, 409, 413, 422}, response.text[:300]
    assert len(response.content) < 2**16
    detail = response.json()["detail"]
    assert len(detail) < 1_200


def test_an_answer_says_how_many_problems_it_leaves_out(shared_client: TestClient) -> None:
    names = [f"{number:03}" + "x" * 280 for number in range(99)]
    answer = shared_client.post(TASKS, json=tasks(dict.fromkeys(names, 1))).json()
    shown = [entry["field"] for entry in answer["errors"] if entry["code"] == "unknown_field"]
    assert shown == names[: len(shown)]
    assert len(answer["errors"]) < 101


def test_a_large_body_is_for_values_of_tasks_only(shared_client: TestClient) -> None:
    body = json.dumps({"contributor": "ann"}) + " " * 2**16
    headers = {"Content-Type": "application/json"}
    response = shared_client.post(f"{TASKS}/claim", content=body, headers=headers)
    assert error_of(response) == (413, "body_too_large")
