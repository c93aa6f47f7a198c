"""The file of a store on SQLite: no database, on a network folder, deleted or replaced."""

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from command_line import Seeding
from people import AT, PATH, make_tasks
from tasks_lib.api.app import create_app
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import StoreRefusedError, StoreReplacedError, UsageError
from tasks_lib.operations.api_keys import create_key
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.infinite.sensor import Sensor
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.upkeep.rounds import Chore, Rounds
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.connections import sqlite
from tasks_lib.store.connections.sqlite import find_file_system
from tasks_lib.store.engine import LATEST_REVISION, Store

HEALTH = "/api/v1/health"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seeding.db"


@pytest.fixture
def store(path: Path, catalogue_file: Path, tmp_path: Path) -> Iterator[Store]:
    """An open store with ten tasks."""
    store = Store.open(f"sqlite:///{path}")
    apply_catalogue(store, catalogue_file)
    make_tasks(workspace_of(store, tmp_path), tmp_path, 10)
    yield store
    store.close()


def workspace_of(store: Store, folder: Path) -> Workspace:
    return Workspace(store, Storage((folder / "files").as_uri()), Limits())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"review_id,body,stars\n" * 500, "file is not a database"),
        (b"SQLite format 3\0" + b"\xff" * 8_000, "file is not a database"),
    ],
    ids=["a text", "a damaged header"],
)
def test_a_file_that_is_no_database_is_refused_and_stays_as_it_is(
    path: Path, content: bytes, reason: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path.write_bytes(content)
    monkeypatch.setenv("SEEDING_DATABASE_URL", f"sqlite:///{path}")
    sentence = f"the store sqlite:///{path} cannot be used: {reason}"
    assert Seeding(capsys)("tasks", "list", "1") == (3, "", f"error: {sentence}\n")
    assert path.read_bytes() == content
    with pytest.raises(StoreRefusedError):
        Store.open(f"sqlite:///{path}")


def test_a_damaged_database_is_refused(store: Store, path: Path) -> None:
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (size - 4_096))
    with pytest.raises(StoreRefusedError, match="cannot be used: database disk image is malformed"):
        Store.open(f"sqlite:///{path}")


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('a1b2c3d4e5f6')")
    connection.close()
    with pytest.raises(StoreRefusedError) as caught:
        Store.open(f"sqlite:///{path}")
    assert str(caught.value) == (
        f"the database sqlite:///{path} belongs to another program: its revision is "
        f"'a1b2c3d4e5f6', and that of a store is a number such as {LATEST_REVISION}; name another "
        "database"
    )


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw
40 27 0:40 / /mnt/team rw - nfs4 server:/team rw,vers=4.2
41 40 0:41 / /mnt/team/local rw - xfs /dev/sdb rw
42 27 0:42 / /mnt/two\\040words rw - cifs //server/share rw
43 27 0:43 / /mnt/covered rw - nfs server:/a rw
44 27 0:44 / /mnt/covered rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/seeding.db", ("ext4", "/")),
        ("/mnt/team/seeding.db", ("nfs4", "/mnt/team")),
        ("/mnt/teams/seeding.db", ("ext4", "/")),
        ("/mnt/team/local/a/seeding.db", ("xfs", "/mnt/team/local")),
        ("/mnt/two words/seeding.db", ("cifs", "/mnt/two words")),
        ("/mnt/covered/seeding.db", ("tmpfs", "/mnt/covered")),
    ],
)
def test_the_mount_of_a_file_is_the_deepest_and_latest(
    path: str, expected: tuple[str, str]
) -> None:
    kind, place = expected
    assert find_file_system(Path(path), MOUNTS) == (kind, Path(place))


def test_a_store_on_a_network_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"{MOUNTS}45 27 0:45 / {tmp_path}/share rw - nfs4 server:/share rw\n")
    monkeypatch.setattr(sqlite, "MOUNTS", mounts)
    path = tmp_path / "share" / "seeding.db"
    with pytest.raises(UsageError) as caught:
        Store.open(f"sqlite:///{path}")
    assert str(caught.value) == (
        f"SEEDING_DATABASE_URL names {path}, which lies on a network folder (nfs4 at "
        f"{tmp_path}/share), where SQLite's locks do not work; use a disk of this machine, or "
        "PostgreSQL"
    )
    assert not path.exists()


def lose(path: Path, happens: str) -> None:
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    if happens == "deleted":
        path.unlink()
    else:
        copy.replace(path)


LOSSES = {
    "deleted": "deleted",
    "replaced": "replaced by another one",
}


def sentence(path: Path, happens: str) -> str:
    return (
        f"the file {path} of the store was {LOSSES[happens]} while it was open, and nothing is "
        "written any more; restart every process that uses the store"
    )


@pytest.mark.parametrize("happens", LOSSES)
def test_a_lost_file_is_noticed_by_the_next_read_and_the_next_claim(
    store: Store, path: Path, happens: str
) -> None:
    assert claim_task(store, 1, "ann", at=AT) is not None
    lose(path, happens)
    existed = path.exists()
    with pytest.raises(StoreReplacedError) as caught:
        claim_task(store, 1, "ann", at=AT)
    assert str(caught.value) == sentence(path, happens)
    with pytest.raises(StoreReplacedError), store.read():
        pass
    store.close()  # no connection is left that has the old file
    with pytest.raises(StoreReplacedError):
        store.revision()
    assert path.exists() is existed, "the next connection made an empty store"


@pytest.mark.parametrize("happens", LOSSES)
def test_a_file_that_is_lost_during_a_transaction_is_noticed_before_the_commit(
    store: Store, path: Path, happens: str
) -> None:
    with pytest.raises(StoreReplacedError), store.write():
        lose(path, happens)
    with pytest.raises(StoreReplacedError), store.write():
        pass


@pytest.mark.parametrize("happens", LOSSES)
def test_the_api_answers_503_once_its_file_is_lost(
    store: Store, path: Path, happens: str, tmp_path: Path
) -> None:
    key = create_key(store, "acme", name="t", lifetime=None, at=AT)[0]
    app = create_app(workspace_of(store, tmp_path), clock=lambda: AT)
    with TestClient(app, headers={"X-API-Key": key}) as client:
        assert client.get(HEALTH).status_code == 200
        lose(path, happens)
        answers = [
            client.get(HEALTH),
            client.post("/api/v1/workflows/1/tasks/claim", json={"contributor": "ann"}),
        ]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert [answer.json() for answer in answers] == 2 * [
        {
            "detail": "the store cannot be used until the server's operator has changed something",
            "code": "store_unavailable",
            "errors": [],
        }
    ]


def test_runs_that_stay_end_when_the_file_is_replaced(store: Store, path: Path) -> None:
    rounds = Rounds(
        store,
        "first",
        [Chore(lambda: lose(path, "replaced"), timedelta(hours=1))],
        life=timedelta(hours=1),
        hand_over=lambda: None,
    )
    with pytest.raises(StoreReplacedError):
        rounds.run()
    with pytest.raises(StoreReplacedError):
        Sensor(store, "sensor").run()


def test_a_store_that_was_restored_is_used_after_a_restart(store: Store, path: Path) -> None:
    lose(path, "replaced")
    with pytest.raises(StoreReplacedError):
        store.revision()
    restarted = Store.open(f"sqlite:///{path}")
    with restarted.read() as session:
        count = session.connection().exec_driver_sql("SELECT count(*) FROM tasks").scalar_one()
    restarted.close()
    assert (count, PATH) == (10, "acme/reviews/label-reviews")
