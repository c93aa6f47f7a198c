"""A value for which a field's pattern takes too long is refused, and nothing is stored."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api_requests import BASE, tasks
from tasks_lib.domain.values import patterns
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.workspace import Workspace

PATTERN = "(?:a|aa|[a-z]{3})*!"
COSTLY = "a" * 60 + "?!"


@pytest.fixture
def address(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a workflow whose fields have a costly pattern."""
    monkeypatch.setattr(patterns, "MAX_SECONDS", 0.05)
    catalogue = tmp_path / "patterns.yaml"
    catalogue.write_text(
        f"""
organizations:
  - name: acme
    projects:
      - name: patterns
        pipelines:
          - name: patterned
            fields:
              - {{name: code, type: text, source: dataset, pattern: "{PATTERN}"}}
              - {{name: answer, type: text, source: input, pattern: "{PATTERN}"}}
""",
        encoding="utf-8",
    )
    apply_catalogue(workspace.store, catalogue)
    pipeline = find_pipeline(workspace.store, "acme/patterns/patterned")
    return f"{BASE}/workflows/{pipeline.id}/tasks"


def test_tasks_with_such_a_value_are_refused(client: TestClient, address: str) -> None:
    response = client.post(address, json=tasks({"code": "a!"}, {"code": COSTLY}))
    answer = response.json()
    assert (response.status_code, answer["code"]) == (422, "tasks_rejected")
    (entry,) = answer["errors"]
    assert (entry["field"], entry["code"]) == ("code", "pattern_too_costly")
    assert client.get(address).json()["items"] == []
    assert client.post(address, json=tasks({"code": "a!"})).status_code == 201


def test_a_submission_with_such_a_value_is_refused(client: TestClient, address: str) -> None:
    (task,) = client.post(address, json=tasks({"code": "a!"})).json()["task_ids"]
    client.post(f"{address}/claim", json={"contributor": "ann"})
    submission: dict[str, Any] = {"contributor": "ann", "fields": {"answer": COSTLY}}
    response = client.post(f"{address}/{task}/submit", json=submission)
    assert (response.status_code, response.json()["code"]) == (422, "submission_rejected")
    assert response.json()["errors"][0]["code"] == "pattern_too_costly"
    submission["fields"] = {"answer": "a!"}
    assert client.post(f"{address}/{task}/submit", json=submission).status_code == 200
