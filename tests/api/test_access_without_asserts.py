"""Access control needs no ``assert``: ``python -O`` refuses requests without a valid key, too."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api_process import command
from api_requests import BASE, PIPELINE
from servers import PATIENCE_SECONDS
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

ROOT = Path(__file__).parents[2]
PARAMETERS = {
    "workflow_id": 1,
    "task_id": 1,
    "chain_id": 1,
    "group_id": 1,
    "upload_id": "1",
    "field": "f",
}
OPEN = {("GET", f"{BASE}/health"), ("PUT", f"{BASE}/uploads/{{upload_id}}")}
"""Calls without a key; a token in the URL opens the second one."""

NO_KEY = "a key is needed: send it as Authorization: Bearer <key>, or as X-API-Key"


@pytest.fixture(scope="module")
def key_and_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """An API key, and the URL of the API run by ``python -O``."""
    folder = tmp_path_factory.mktemp("optimized")
    store = Store.open(f"sqlite:///{folder / 'seeding.db'}")
    (folder / "catalogue.yaml").write_text(PIPELINE, encoding="utf-8")
    apply_catalogue(store, folder / "catalogue.yaml")
    key = create_key(store, "acme", name="t", lifetime=None, at=datetime.now(UTC))[0]
    workspace = Workspace(store, Storage((folder / "files").as_uri()), Limits())
    with command(workspace, folder, options=["-O"]) as server:
        yield key, server.url
    store.close()


@pytest.fixture
def server(key_and_server: tuple[str, str]) -> Iterator[httpx.Client]:
    """A client of that API, without a key."""
    with httpx.Client(base_url=key_and_server[1], timeout=PATIENCE_SECONDS) as client:
        yield client


def walk(client: httpx.Client, headers: dict[str, str]) -> dict[tuple[str, str], Any]:
    """Return status and body of each call in the OpenAPI document, made with empty values."""
    paths = client.get(f"{BASE}/openapi.json").json()["paths"]
    answers = {}
    for path, calls in paths.items():
        for method in map(str.upper, calls):
            parameters = {"token": "x"} if method == "PUT" else {}
            response = client.request(
                method, path.format(**PARAMETERS), params=parameters, headers=headers
            )
            answers[method, path] = (response.status_code, response.json())
    return answers


@pytest.mark.parametrize(
    ("headers", "code", "detail"),
    [
        ({}, "missing_api_key", NO_KEY),
        ({"X-API-Key": "nonsense"}, "invalid_api_key", "the key is not known"),
        ({"X-API-Key": "pk_live_" + 40 * "0"}, "invalid_api_key", "the key is not known"),
    ],
    ids=["none", "nonsense", "unknown"],
)
def test_no_call_succeeds_without_a_valid_key(
    server: httpx.Client, headers: dict[str, str], code: str, detail: str
) -> None:
    answers = walk(server, headers)
    health, put_file = (answers.pop(call) for call in sorted(OPEN))
    assert len(answers) >= 20
    assert answers == dict.fromkeys(answers, (401, {"detail": detail, "code": code, "errors": []}))
    assert (health[0], health[1]["status"]) == (200, "ok")
    message = "there is no such upload, or the token is another one's"
    assert put_file == (404, {"detail": message, "code": "not_found", "errors": []})


def test_a_valid_key_gives_access_to_its_own_organization(
    server: httpx.Client, key_and_server: tuple[str, str]
) -> None:
    headers = {"X-API-Key": key_and_server[0]}
    answer = server.get(f"{BASE}/chains", headers=headers)
    assert (answer.status_code, answer.json()) == (
        200, {"items": [], "next": None, "has_more": False},
    )  # fmt: skip
    absent = server.get(f"{BASE}/workflows/2", headers=headers)
    assert (absent.status_code, absent.json()) == (
        404, {"detail": "there is no workflow 2", "code": "not_found", "errors": []},
    )  # fmt: skip


def test_the_access_tests_pass_without_asserts_in_the_code() -> None:
    """On SQLite: the kind of database makes no difference to an ``assert``."""
    ran = subprocess.run(
        [
            sys.executable, "-O", "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "-W", "ignore::pytest.PytestConfigWarning", "-k", "not postgresql",
            "tests/api/test_keys.py", "tests/api/test_guards.py",
        ],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
