"""Machines whose clocks differ by an hour do no harm: the database's clock decides."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import text

from command_line import Seeding
from people import PATH, make_tasks
from tasks_lib.domain.events import TASKS_CLAIMED, Event
from tasks_lib.domain.statuses import SeedKind
from tasks_lib.operations.infinite.sensor import Sensor, is_sensor_running
from tasks_lib.operations.leases import Lease
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.tasks.read import find_task
from tasks_lib.operations.upkeep.announcing import announce_due
from tasks_lib.operations.upkeep.reconcile import reconcile
from tasks_lib.operations.workspace import Workspace
from tasks_lib.steps.prefect_api import check_server
from tasks_lib.store import uploads
from tasks_lib.store.announcements import acquire_leases
from tasks_lib.store.connections import clock
from tasks_lib.store.connections.clock import DatabaseClock
from tasks_lib.store.engine import Store
from tasks_lib.store.leases import LeaseName, acquire

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str]) -> Seeding:
    return Seeding(capsys)


@pytest.fixture
def database_url(postgresql_store_url: str) -> str:
    """A store that several machines share."""
    return postgresql_store_url


@pytest.fixture(params=[HOUR, -HOUR], ids=["an hour ahead", "an hour behind"])
def other_machine(
    request: pytest.FixtureRequest, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """The store as a machine with another clock has opened it."""
    monkeypatch.setattr(clock, "host_now", lambda: datetime.now(UTC) + request.param)
    store = Store.open(workspace.store.engine.url.render_as_string(hide_password=False))
    yield store
    store.close()


def time_of(store: Store) -> datetime:
    with store.read() as session:
        at: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        return at


def test_every_machine_tells_the_time_of_the_database(other_machine: Store) -> None:
    before = time_of(other_machine)
    times = [other_machine.now() for _ in range(3)]
    after = time_of(other_machine)
    assert sorted(times) == times
    assert before - SECOND < times[0]
    assert times[-1] < after + SECOND


def test_a_claim_lasts_as_long_whichever_machine_takes_it_and_releases_it(
    workspace: Workspace,
    other_machine: Store,
    tmp_path: Path,
    seeding: Seeding,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_tasks(workspace, tmp_path, 2)
    url = other_machine.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("SEEDING_DATABASE_URL", url)
    assert seeding("tasks", "claim", PATH, "--as", "ann")[0] == 0
    task = find_task(workspace.store, 1)
    assert task.claimed_at is not None
    assert abs(task.claimed_at - time_of(workspace.store)) < timedelta(minutes=5)
    assert task.claim_expires_at == task.claimed_at + timedelta(minutes=30)
    assert claim_task(workspace.store, 1, "ben", at=workspace.store.now()) is not None
    done = reconcile(workspace, None, now=other_machine.now())
    assert done.released_claims == 0
    at = workspace.store.now() + timedelta(minutes=31)
    assert reconcile(workspace, None, now=at).released_claims == 2


def test_a_lease_is_held_and_becomes_free_for_every_machine(
    workspace: Workspace, other_machine: Store
) -> None:
    there = Lease(other_machine, LeaseName.UPKEEP, "there")
    here = Lease(workspace.store, LeaseName.UPKEEP, "here")
    assert there.acquire()
    assert not here.acquire()
    there.release()
    assert here.acquire()
    assert not there.acquire()


def test_a_sensor_is_seen_by_every_machine(workspace: Workspace, other_machine: Store) -> None:
    with other_machine.write() as session:
        assert acquire(session, LeaseName.SENSOR, "there", at=other_machine.now()) == []
    assert is_sensor_running(workspace.store, at=workspace.store.now())
    assert Sensor(workspace.store, "here").run().why == "another sensor is running"


def test_the_next_event_is_due_a_second_later_on_every_machine(
    workspace: Workspace, other_machine: Store, tmp_path: Path
) -> None:
    make_tasks(workspace, tmp_path, 2)
    sent: list[Event] = []
    assert claim_task(other_machine, 1, "ann", at=other_machine.now()) is not None
    announce_due(other_machine, sent.extend, at=other_machine.now())
    assert claim_task(workspace.store, 1, "ben", at=workspace.store.now()) is not None
    # A machine knows the database's time up to the duration of its request.
    announce_due(workspace.store, sent.extend, at=workspace.store.now() + 2 * SECOND)
    counts = [event.payload["count"] for event in sent if event.event == TASKS_CLAIMED]
    assert counts == [1, 1]


def test_times_that_an_earlier_release_took_from_a_clock_ahead_block_nothing(
    workspace: Workspace, tmp_path: Path
) -> None:
    make_tasks(workspace, tmp_path, 2)
    store, sent = workspace.store, list[Event]()
    assert claim_task(store, 1, "ann", at=AT + HOUR) is not None
    announce_due(store, sent.extend, at=AT + HOUR)
    assert claim_task(store, 1, "ben", at=AT) is not None
    with store.write() as session:  # it died while it announced
        assert acquire_leases(session, [1], at=AT + HOUR, lasts=30 * SECOND) == {1}
    announce_due(store, sent.extend, at=AT)
    counts = [event.payload["count"] for event in sent if event.event == TASKS_CLAIMED]
    assert counts == [1, 1]


def test_an_upload_that_a_clock_ahead_has_leased_is_free(workspace: Workspace) -> None:
    with workspace.store.write() as session:
        uploads.insert_upload(
            session,
            upload_id="upload",
            pipeline_id=1,
            name="reviews.csv",
            uri="file:///reviews.csv",
            on_error="reject-file",
            max_rejected="",
            options={},
            declared_bytes=None,
            token_sha256="",
            created_at=AT,
            expires_at=AT + HOUR,
        )
        uploads.confirm_upload(session, "upload", kind=SeedKind.CSV, size=1, at=AT)
        hold = partial(uploads.acquire_upload, session, "upload")
        assert hold(at=AT + HOUR, until=AT + HOUR + uploads.LONGEST_LEASE)
        assert hold(at=AT, until=AT + uploads.LONGEST_LEASE)
        assert not hold(at=AT, until=AT + uploads.LONGEST_LEASE)


class Moments:
    """The monotonic clock, this machine's clock and the database's, which tests move apart."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.monotonic = 100.0
        self.host = AT + HOUR
        self.database = AT
        self.reads = 0
        patch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: self.monotonic))
        patch.setattr(clock, "host_now", lambda: self.host)

    def pass_time(self, seconds: float) -> None:
        self.monotonic += seconds
        self.host += timedelta(seconds=seconds)
        self.database += timedelta(seconds=seconds)

    def read(self) -> datetime:
        self.reads += 1
        return self.database


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    return Moments(monkeypatch)


def test_the_database_is_asked_for_the_time_once_a_minute(moments: Moments) -> None:
    ours = DatabaseClock(moments.read)
    for _ in range(6):
        assert ours.now() == moments.database
        moments.pass_time(20)
    assert moments.reads == 2


def test_the_database_is_asked_again_when_this_machine_has_slept_or_its_clock_was_set(
    moments: Moments,
) -> None:
    ours = DatabaseClock(moments.read)
    ours.now()
    moments.host += HOUR  # the monotonic clock stands still while a machine sleeps
    moments.database += HOUR
    assert (ours.now(), moments.reads) == (AT + HOUR, 2)
    moments.host -= 2 * HOUR  # somebody sets it back
    assert (ours.now(), moments.reads) == (AT + HOUR, 3)
    moments.pass_time(1)
    assert (ours.now(), moments.reads) == (AT + HOUR + SECOND, 3)


@pytest.fixture(params=[HOUR, -HOUR, timedelta(0)], ids=["ahead", "behind", "the same"])
def prefect_clock(request: pytest.FixtureRequest) -> Iterator[timedelta]:
    """The difference of the clock of a Prefect server; its health check is all that it has."""
    difference: timedelta = request.param

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002
            return format_datetime(datetime.now(UTC) + difference, usegmt=True)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_port}/api"}):
            yield difference
        server.shutdown()


def test_times_for_prefect_are_those_of_its_server(prefect_clock: timedelta) -> None:
    before = datetime.now(UTC) + prefect_clock - SECOND
    time = check_server()
    assert before <= time <= datetime.now(UTC) + prefect_clock
