"""Writers that wait for SQLite's lock wait no longer than they should, and keep nobody else."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from sqlite3 import OperationalError

import httpx2
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from children import CHILDREN
from people import AT, make_tasks
from servers import wait_until
from tasks_lib.api.app import create_app
from tasks_lib.api.serving import threads
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import StoreUnavailableError
from tasks_lib.operations import health
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.connections import sqlite
from tasks_lib.store.connections.sqlite import WriteTurns, create_sqlite_engine
from tasks_lib.store.engine import Store

CLAIM = "/api/v1/workflows/1/tasks/claim"
HEALTH = "/api/v1/health"
WRITERS = threads.WRITERS + 5


@pytest.fixture
def store(tmp_path: Path, catalogue_file: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'seeding.db'}")
    apply_catalogue(store, catalogue_file)
    make_tasks(workspace_of(store, tmp_path), tmp_path, WRITERS)
    yield store
    store.close()


def workspace_of(store: Store, folder: Path) -> Workspace:
    return Workspace(store, Storage((folder / "files").as_uri()), Limits())


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    key = create_key(store, "acme", name="t", lifetime=None, at=AT)[0]
    app = create_app(workspace_of(store, tmp_path))
    with TestClient(app, headers={"X-API-Key": key}) as client:
        yield client


def claim(client: TestClient, number: int) -> httpx2.Response:
    return client.post(CLAIM, json={"contributor": f"contributor-{number}"})


def count_busy_threads() -> int:
    return sum("AnyIO" in thread.name for thread in threading.enumerate())


def test_reads_and_the_health_check_pass_more_writers_than_there_are_threads(
    store: Store, client: TestClient
) -> None:
    other = Store.open(store.engine.url.render_as_string())
    with ThreadPoolExecutor(WRITERS) as pool:
        with other.write():
            claims = [pool.submit(claim, client, number) for number in range(WRITERS)]
            wait_until(lambda: count_busy_threads() >= threads.WRITERS)
            assert client.get(HEALTH).status_code == 200
            assert client.get("/api/v1/workflows/1/tasks/1").json()["status"] == "pending"
            assert [one.done() for one in claims] == [False] * WRITERS
        answers = [one.result() for one in claims]
    other.close()
    assert [answer.status_code for answer in answers] == [200] * WRITERS
    assert sorted(answer.json()["id"] for answer in answers) == list(range(1, WRITERS + 1))


def test_a_writer_without_a_thread_is_refused_after_the_timeout(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "WRITERS", 1)
    patient = Store.open(store.engine.url.render_as_string(), busy_timeout_seconds=0.5)
    key = create_key(store, "acme", name="t", lifetime=None, at=AT)[0]
    app = create_app(workspace_of(patient, tmp_path))
    with (
        TestClient(app, headers={"X-API-Key": key}) as client,
        ThreadPoolExecutor(3) as pool,
        store.write(),
    ):
        answers = list(pool.map(lambda number: claim(client, number), range(3)))
    patient.close()
    assert [answer.status_code for answer in answers] == [503] * 3
    assert {answer.headers["Retry-After"] for answer in answers} == {"5"}
    assert claim_task(store, 1, "ann", at=AT) is not None, "a claim that was refused was made"


def test_a_thread_whose_turn_does_not_come_is_refused(store: Store) -> None:
    impatient = Store.open(store.engine.url.render_as_string(), busy_timeout_seconds=0.1)
    with ThreadPoolExecutor(1) as pool, impatient.write():
        refused = pool.submit(claim_task, impatient, 1, "ann", at=AT)
        with pytest.raises(StoreUnavailableError) as caught:
            refused.result()
    impatient.close()
    assert str(caught.value) == (
        f"the store {store.engine.url} cannot be used: database is locked; another writer holds it "
        "for longer than SEEDING_BUSY_TIMEOUT_SECONDS"
    )


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_time_that_a_thread_waits_for_its_turn_is_not_granted_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    turns = WriteTurns(10)
    engine = create_sqlite_engine(store.engine.url, turns, 10)
    engine.connect().close()
    with store.write():
        monkeypatch.setattr(sqlite, "time", clock)
        with turns.take():
            clock.now += 9
            with pytest.raises(OperationalError, match="database is locked"):
                engine.begin().__enter__()
    engine.dispose()
    assert round(clock.now, 6) == 110


def test_a_writer_of_another_process_is_noticed_at_once(store: Store) -> None:
    url = store.engine.url.render_as_string()
    ours, theirs = CHILDREN.Pipe()
    child = CHILDREN.Process(target=_write, args=(url, theirs))
    child.start()
    assert ours.recv() == "writing"
    with ThreadPoolExecutor(1) as pool:
        claimed = pool.submit(claim_task, store, 1, "ann", at=AT)
        assert not claimed.done()
        ours.send("end")
        task = claimed.result()
    child.join()
    assert task is not None
    with store.read() as session:
        assert session.scalar(text("SELECT name FROM organizations WHERE id = 1")) == "changed"


def _write(url: str, pipe: Connection) -> None:
    store = Store.open(url)
    with store.write() as session:
        session.execute(text("UPDATE organizations SET name = 'changed' WHERE id = 1"))
        pipe.send("writing")
        pipe.recv()
    store.close()


@pytest.mark.parametrize(
    ("full", "code"), [("seeding.db", "store_unavailable"), ("files", "storage_unavailable")]
)
def test_the_health_check_says_that_a_disk_is_full(
    full: str, code: str, client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir(exist_ok=True)
    assert client.get(HEALTH).status_code == 200
    place = tmp_path if full == "seeding.db" else tmp_path / "files"
    whole = shutil.disk_usage(tmp_path)

    def usage(folder: Path) -> object:
        return whole._replace(free=health.LEAST_FREE_BYTES - (folder == place))

    monkeypatch.setattr("tasks_lib.operations.health.shutil.disk_usage", usage)
    answer = client.get(HEALTH)
    assert (answer.status_code, answer.json()["code"]) == (503, code)
