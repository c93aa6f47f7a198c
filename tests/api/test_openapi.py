"""The OpenAPI says what the service does; what belongs to another organization is not there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from api_process import client_of, fork
from api_requests import BASE, GOOD, OTHER, TASKS, NewKey, error_of, tasks
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
"""What the OpenAPI cannot say, since each workflow has fields of its own: those of these tests."""

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

CHAINS = INFINITE.replace("infinite", "chains")
"""Nor which workflows fit each other."""

UPLOADS = """
[[operations]]
include-tag = "uploads"
checks.negative_data_rejection.expected-statuses = ["4xx"]
"""
"""A file that is announced as too large is a 413, which schemathesis has not among its refusals."""


def test_the_service_keeps_to_its_openapi_in_every_check_of_schemathesis(
    embedded: Workspace, embedded_key: str, tmp_path: Path
) -> None:
    exceptions = "".join((MOVES, BLANK, INFINITE, CHAINS, UPLOADS))
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
        for method in sorted(route.methods)
    ]


def test_another_organizations_things_are_as_absent_as_those_that_are_not_there(
    workspace: Workspace, new_key: NewKey
) -> None:
    app = create_app(workspace)
    mine, theirs = ({"X-API-Key": new_key(name)} for name in ("acme", "other"))
    client = TestClient(app)
    for number, key in ((1, mine), (OTHER, theirs)):
        made = client.post(f"{BASE}/workflows/{number}/tasks", json=tasks(GOOD), headers=key)
        assert made.json()["task_ids"] == [number]
    begun = client.post(f"{BASE}/workflows/{OTHER}/tasks/upload", headers=theirs)
    there = {"task_id": OTHER, "upload_id": begun.json()["upload_id"], "field": "f"}
    nowhere = {"task_id": 9, "upload_id": "9", "field": "f"}
    calls = every_call(app)
    assert len(calls) >= 13
    for method, path in calls:
        absent = client.request(method, path.format(workflow_id=9, **nowhere), headers=mine)
        found = client.request(method, path.format(workflow_id=2, **there), headers=mine)
        assert error_of(found) == (404, "not_found")
        assert found.text == absent.text.replace("workflow 9", "workflow 2")
        if "{task_id}" in path or "{upload_id}" in path:
            absent = client.request(method, path.format(workflow_id=1, **nowhere), headers=mine)
            found = client.request(method, path.format(workflow_id=1, **there), headers=mine)
            assert (found.status_code, found.text) == (404, absent.text)


def test_every_call_needs_a_key(unchanged: TestClient) -> None:
    app: Any = unchanged.app
    client = TestClient(app)
    for method, path in every_call(app):
        here = path.format(workflow_id=1, task_id=1, upload_id=1, field="f")
        response = client.request(method, here)
        assert error_of(response) == (401, "missing_api_key")


def test_every_call_describes_all_its_errors_with_an_example(unchanged: TestClient) -> None:
    described = unchanged.get(f"{BASE}/openapi.json").json()
    told = set()
    for path, calls in described["paths"].items():
        for method, call in calls.items():
            for status, response in call["responses"].items():
                content = response.get("content", {})
                if status < "400":
                    assert content or status in {"204", "307"}, (method, path, status)
                    assert "HTTPValidationError" not in str(content)
                    continue
                examples = content["application/json"]["examples"]
                told |= set(examples)
                for code, example in examples.items():
                    assert CODES[code][0] == int(status)
                    assert list(example["value"]) == ["detail", "code", "errors"]
                    assert example["value"]["code"] == code
            assert call["summary"], path
    assert told == set(CODES) - {"method_not_allowed"}


def with_fields(described: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI with the fields of workflow 1 in it."""
    body = described["paths"][TASKS.replace("/1/", "/{workflow_id}/")]["post"]["requestBody"]
    task = body["content"]["application/json"]["schema"]["properties"]["tasks"]["items"]
    task["properties"]["fields"] = FIELDS
    return described
