"""The store works through a pooler of connections that each transaction may get another one of."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from poolers import KINDS, Mode, pooler
from sqlalchemy import make_url

from people import AT, PATH, counts, make_tasks, recount
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.statuses import TaskStatus
from tasks_lib.errors import UsageError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.infinite.manage import InfiniteRequest, enable
from tasks_lib.operations.infinite.sensor import Sensor, is_sensor_running
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from tasks_lib.store.tasks.claim_watch import watch_claims

CLIENTS = 8
TASKS = 200

pytestmark = pytest.mark.parametrize("kind", KINDS)


def finish_all(store: Store, contributor: str) -> list[int]:
    """Claim and submit until no task is left; return the tasks."""
    finished = []
    while (task := claim_task(store, 1, contributor, at=AT)) is not None:
        submit_task(store, task.id, contributor, {"sentiment": "good"}, at=AT)
        finished.append(task.id)
    return finished


def test_many_clients_share_two_server_connections(
    kind: str, postgresql_url: str, catalogue_file: Path, tmp_path: Path
) -> None:
    with pooler(kind, postgresql_url, "transaction") as url:
        store = Store.open(url)
        apply_catalogue(store, catalogue_file)
        workspace = Workspace(store, Storage((tmp_path / "files").as_uri()), Limits())
        make_tasks(workspace, tmp_path, TASKS)
        with ThreadPoolExecutor(CLIENTS) as pool:
            names = [f"contributor-{number}" for number in range(CLIENTS)]
            finished = list(pool.map(lambda name: finish_all(store, name), names))
        assert sorted(task for some in finished for task in some) == list(range(1, TASKS + 1))
        assert counts(store) == recount(store)
        assert counts(store).by_status[TaskStatus.FINISHED] == TASKS
        store.close()


def test_statements_are_prepared_only_without_a_pooler(kind: str, postgresql_url: str) -> None:
    with pooler(kind, postgresql_url, "transaction") as url:
        thresholds = []
        for address in (postgresql_url, url):
            store = Store.open(address)
            with store.postgresql() as connection:
                thresholds.append(connection.prepare_threshold)
            store.close()
    assert thresholds == [5, None]


MODES: list[tuple[Mode, bool]] = [("session", False), ("transaction", True)]


@pytest.mark.parametrize(("mode", "has_direct_url"), MODES)
def test_claims_are_heard_if_the_pooler_passes_notifications_on_and_at_a_direct_address(
    kind: str, mode: Mode, has_direct_url: bool, postgresql_url: str, catalogue_file: Path
) -> None:
    with pooler(kind, postgresql_url, mode) as url:
        store = Store.open(url, direct_url=postgresql_url if has_direct_url else "")
        apply_catalogue(store, catalogue_file)
        enable(store, PATH, InfiniteRequest(), at=AT)
        with watch_claims(store) as watch:
            assert not watch.wait(0)
            assert claim_task(store, 1, "ann", at=AT) is not None
            assert watch.wait(PATIENCE_SECONDS)
        store.close()


def test_without_a_direct_address_the_sensor_says_so_and_looks_every_few_seconds(
    kind: str, postgresql_url: str, catalogue_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        pooler(kind, postgresql_url, "transaction") as url,
        caplog.at_level(logging.WARNING, "tasks_lib"),
    ):
        store = Store.open(url)
        apply_catalogue(store, catalogue_file)
        enable(store, PATH, InfiniteRequest(), at=AT)
        sensor = threading.Thread(target=Sensor(store, "first", life=None).run)
        sensor.start()
        wait_until(lambda: is_sensor_running(store, at=store.now()))
        assert claim_task(store, 1, "ann", at=AT) is not None
        wait_until(lambda: counts(store).by_status[TaskStatus.PENDING] == 1)
        Sensor(store, "last", takes_over="first", life=timedelta(0)).run()
        sensor.join()
        store.close()
    place = make_url(url).render_as_string()
    assert set(caplog.messages) == {
        f"the pooler at {place} passes on no notifications, as PgBouncer in transaction mode; "
        "claims are noticed only every few seconds. Set SEEDING_DATABASE_DIRECT_URL to the address "
        "of PostgreSQL itself"
    }


def test_a_direct_address_must_be_that_of_postgresql(kind: str, postgresql_url: str) -> None:
    with (
        pooler(kind, postgresql_url, "transaction") as url,
        pytest.raises(
            UsageError,
            match=r"^SEEDING_DATABASE_DIRECT_URL begins with 'sqlite'; expected postgresql",
        ),
    ):
        Store.open(url, direct_url="sqlite:///x.db")
