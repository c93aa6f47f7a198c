"""The External API in this process: on both databases, or shared by read-only tests."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api_requests import GOOD, MORE_PIPELINES, PIPELINE, TASKS, NewKey, tasks
from tasks_lib.api.app import create_app
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store


@pytest.fixture
def workspace(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The shared workspace plus pipelines of other kinds and of another organization."""
    apply_text(workspace.store, MORE_PIPELINES, tmp_path)
    return workspace


@pytest.fixture
def new_key(workspace: Workspace) -> NewKey:
    """A function that creates an API key of an organization."""

    def make(organization: str = "acme", lifetime: timedelta | None = None) -> str:
        now = datetime.now(UTC)
        return create_key(workspace.store, organization, name="t", lifetime=lifetime, at=now)[0]

    return make


@pytest.fixture
def key(new_key: NewKey) -> str:
    """An API key of the organization acme."""
    return new_key()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace on SQLite, for tests that do not depend on the database."""
    store = Store.open(f"sqlite:///{tmp_path / 'embedded.db'}")
    apply_text(store, PIPELINE, tmp_path)
    yield Workspace(store, Storage((tmp_path / "files").as_uri()), Limits())
    store.close()


@pytest.fixture
def embedded_key(embedded: Workspace) -> str:
    """An API key of that workspace's organization."""
    return create_key(embedded.store, "acme", name="t", lifetime=None, at=datetime.now(UTC))[0]


@pytest.fixture(scope="session")
def shared_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An authenticated client of an application shared by tests that change nothing.

    Workflow 1 has two tasks.
    """
    folder = tmp_path_factory.mktemp("unchanged")
    store = Store.open(f"sqlite:///{folder / 'seeding.db'}")
    apply_text(store, PIPELINE, folder)
    apply_text(store, MORE_PIPELINES, folder)
    workspace = Workspace(store, Storage((folder / "files").as_uri()), Limits())
    key = create_key(store, "acme", name="t", lifetime=None, at=datetime.now(UTC))[0]
    with TestClient(create_app(workspace), headers={"X-API-Key": key}) as client:
        assert client.post(TASKS, json=tasks(GOOD, GOOD)).status_code == 201
        yield client
    store.close()


def apply_text(store: Store, catalogue: str, folder: Path) -> None:
    path = folder / "catalogue-of-the-api.yaml"
    path.write_text(catalogue, encoding="utf-8")
    apply_catalogue(store, path)


@pytest.fixture
def client(workspace: Workspace, key: str) -> Iterator[TestClient]:
    """A client that sends the API key."""
    with TestClient(create_app(workspace), headers={"X-API-Key": key}) as client:
        yield client
