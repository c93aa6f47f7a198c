"""The service matches its OpenAPI and hides resources of other organizations."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from api_process import client_of, fork
from api_requests import BASE, GOOD, OTHER, TASKS, NewKey, error_of, tasks
from tasks_lib.api.access import AdmittingRoute
from tasks_lib.api.answers import JSON, encode
from tasks_lib.api.app import create_app
from tasks_lib.api.errors import CODES
from tasks_lib.operations.workspace import Workspace

TEXT = {"type": "string", "minLength": 1, "maxLength": 1_000, "pattern": r"^[^\x00]+$"}
FIELDS = {
    "type": "object",
    "required": ["review_id", "body"],
    "additionalProperties": False,
    "properties": {
        "review_id": TEXT,
        "body": TEXT,
        "stars": {"enum": [1, 2, 3, 4, 5, None]},
    },
}
"""The fields of these tests: the OpenAPI cannot name them, since each workflow has its own."""

MOVES = """
[[operations]]
include-tag = "contributors"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422"]
"""
"""Whether a name can be seen, and values fit their task, no schema can say."""

BLANK = """
[[operations]]
include-path = "/api/v1/workflows/{workflow_id}/tasks/bulk"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422"]
"""
"""Workflow 1 has dataset fields, so that no blank tasks fit it."""

INFINITE = """
[[operations]]
include-tag = "infinite"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422"]
"""
"""Which groups there are to copy, no schema can say."""

FINISHED = """
[[operations]]
include-path = "/api/v1/workflows/{workflow_id}/tasks"
include-method = "GET"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422"]
"""
"""Which parameters go together, no schema can say."""

CHAINS = INFINITE.replace("infinite", "chains")
"""Nor which workflows fit each other."""

UNDO = """
[[operations]]
include-path = "/api/v1/groups/{group_id}"
checks.use_after_free.enabled = false
"""
"""An undone group stays as a record."""

UPLOADS = """
[[operations]]
include-tag = "uploads"
checks.negative_data_rejection.expected-statuses = ["4xx"]
"""
"""A file that is announced as too large is a 413, which schemathesis has not among its refusals."""


def test_the_service_passes_every_schemathesis_check(
    embedded: Workspace, embedded_key: str, tmp_path: Path
) -> None:
    exceptions = "".join((MOVES, BLANK, INFINITE, CHAINS, UNDO, UPLOADS, FINISHED))
    (tmp_path / "schemathesis.toml").write_text(
        f'[auth.openapi.bearer]\nbearer = "{embedded_key}"\n{exceptions}', encoding="utf-8"
    )
    with fork(embedded) as server:
        with client_of(server, embedded_key) as client:
            client.post(TASKS, json=tasks(GOOD, GOOD))
            described = client.get(f"{BASE}/openapi.json").json()
        (tmp_path / "openapi.json").write_text(json.dumps(with_fields(described)))
        ran = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"), "run", "openapi.json",
                "--url", server.url, "--checks", "all", "--max-examples", "5", "--seed", "1",
            ],
            check=False, capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stdout


def every_call(app: FastAPI) -> list[tuple[str, str]]:
    """Return method and path of each call that needs a key."""
    return [
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, APIRoute) and "{workflow_id}" in route.path_format
        for method in sorted(route.methods or ())
    ]


def test_another_organizations_resources_look_like_missing_ones(
    workspace: Workspace, new_key: NewKey
) -> None:
    app = create_app(workspace)
    mine, theirs = ({"X-API-Key": new_key(name)} for name in ("acme", "other"))
    client = TestClient(app)
    for number, key in ((1, mine), (OTHER, theirs)):
        response = client.post(f"{BASE}/workflows/{number}/tasks", json=tasks(GOOD), headers=key)
        assert response.json()["task_ids"] == [number]
    begun = client.post(f"{BASE}/workflows/{OTHER}/tasks/upload", headers=theirs)
    there = {"task_id": OTHER, "upload_id": begun.json()["upload_id"], "field": "f"}
    nowhere = {"task_id": 9, "upload_id": "9", "field": "f"}
    calls = every_call(app)
    assert len(calls) >= 13
    for method, path in calls:
        absent = client.request(method, path.format(workflow_id=9, **nowhere), headers=mine)
        present = client.request(method, path.format(workflow_id=2, **there), headers=mine)
        assert error_of(present) == (404, "not_found")
        assert present.text == absent.text.replace("workflow 9", "workflow 2")
        if "{task_id}" in path or "{upload_id}" in path:
            absent = client.request(method, path.format(workflow_id=1, **nowhere), headers=mine)
            present = client.request(method, path.format(workflow_id=1, **there), headers=mine)
            assert (present.status_code, present.text) == (404, absent.text)
            assert present.json()["detail"] in {
                "there is no such task in the workflow",
                "there is no such upload in the workflow",
            }


def test_every_call_needs_a_key(shared_client: TestClient) -> None:
    app: Any = shared_client.app
    client = TestClient(app)
    calls = [
        (method, route.path_format)
        for route in app.routes
        if isinstance(route, AdmittingRoute)
        for method in sorted(route.methods or ())
    ]
    assert set(every_call(app)) < set(calls)
    for method, path in calls:
        here = re.sub(r"{\w+}", "1", path)
        response = client.request(method, here)
        assert error_of(response) == (401, "missing_api_key"), (method, path)


def test_every_call_describes_all_its_errors_with_an_example(shared_client: TestClient) -> None:
    described = shared_client.get(f"{BASE}/openapi.json").json()
    documented = set()
    for path, calls in described["paths"].items():
        for method, call in calls.items():
            for status, response in call["responses"].items():
                content = response.get("content", {})
                if status < "400":
                    assert content or status in {"204", "304", "307"}, (method, path, status)
                    assert "HTTPValidationError" not in str(content)
                    continue
                examples = content["application/json"]["examples"]
                documented |= set(examples)
                for code, example in examples.items():
                    assert CODES[code][0] == int(status)
                    assert list(example["value"]) == ["detail", "code", "errors"]
                    assert example["value"]["code"] == code
            assert call["summary"], path
    assert documented == set(CODES) - {"method_not_allowed", "cross_origin_refused"}


def test_every_example_of_an_answer_has_the_members_of_its_model(shared_client: TestClient) -> None:
    app: Any = shared_client.app
    examples = [
        (response["model"], response["content"]["application/json"]["example"])
        for route in app.routes
        if isinstance(route, APIRoute)
        for status, response in route.responses.items()
        if int(status) < 400 and "model" in response
    ]
    assert len(examples) >= 20
    for model, example in examples:
        read = TypeAdapter(model).validate_json(json.dumps(example))
        assert json.loads(encode(read)) == example
        assert set(example) == model.__required_keys__


def test_every_error_is_described_as_json(shared_client: TestClient) -> None:
    described = shared_client.get(f"{BASE}/openapi.json").json()
    error = {"$ref": "#/components/schemas/Error"}
    found = {
        (operation["operationId"], status): {
            kind: content.get("schema") for kind, content in answer.get("content", {}).items()
        }
        for operations in described["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    }
    assert len(found) > 200
    assert {call: kinds for call, kinds in found.items() if kinds != {JSON: error}} == {}


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "OPTIONS"])
def test_a_method_that_no_call_has_is_405_whatever_its_body(
    shared_client: TestClient, method: str
) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    response = shared_client.request(method, f"{BASE}/uploads/1", content=b"x", headers=headers)
    assert error_of(response) == (405, "method_not_allowed")


def with_fields(described: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI with the fields of workflow 1 in it."""
    described["components"]["schemas"]["NewTask"]["properties"]["fields"] = FIELDS
    return described
