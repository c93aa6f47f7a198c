"""Requests to the External API, and the form of its errors."""

from collections.abc import Callable
from typing import Any

import httpx
import httpx2

NewKey = Callable[..., str]
"""Makes an API key of an organization, acme by default."""

BASE = "/api/v1"
WORKFLOW = f"{BASE}/workflows/1"
TASKS = f"{WORKFLOW}/tasks"
GOOD = {"review_id": "001", "body": "one", "stars": 5}

FIELDS = """
            fields:
              - {name: review_id, type: text, source: dataset}
              - {name: body, type: long_text, source: dataset}
              - {name: stars, type: integer, source: dataset, required: false, min: 1, max: 5}
              - {name: sentiment, type: single_select, source: input, options: [good, bad, mixed]}
"""
PIPELINE = f"""
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
          - name: label-reviews
{FIELDS}"""
MORE_PIPELINES = f"""
organizations:
  - name: other
    projects:
      - name: reviews
        pipelines:
          - name: label-reviews
{FIELDS}
  - name: acme
    projects:
      - name: kinds
        pipelines:
          - {{name: blank, fields: [{{name: answer, type: text, source: input}}]}}
          - name: photos
            fields:
              - {{name: photo, type: file, source: dataset}}
              - {{name: alt, type: text, source: input}}
          - {{name: draft, status: draft, fields: [{{name: a, type: text, source: dataset}}]}}
"""
OTHER, BLANK, PHOTOS, DRAFT = 2, 3, 4, 5
"""The ids of these pipelines; the first one is 1."""


def tasks(*rows: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a request that creates tasks with these fields."""
    return {"tasks": [{"fields": row} for row in rows]}


def error_of(response: httpx2.Response | httpx.Response) -> tuple[int, str]:
    """Return an error's status and code, after checking its form."""
    document = response.json()
    assert list(document) == ["detail", "code", "errors"]
    assert document["detail"]
    assert all(list(entry) == ["index", "field", "code", "message"] for entry in document["errors"])
    assert response.headers["content-type"] == "application/json"
    return response.status_code, document["code"]
