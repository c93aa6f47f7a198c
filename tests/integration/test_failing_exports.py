"""Exports to destinations that fail, of tasks that were finished in unusual orders."""

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from shops import Shop
from sqlalchemy import text

from people import AT, claim, finish, make_tasks
from servers import PATIENCE_SECONDS, wait_until
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import StorageRefusedError, StorageUnavailableError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.results import export
from tasks_lib.operations.results.export import ExportReport, ExportRequest, export_results
from tasks_lib.operations.tasks.move import submit_task
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from tasks_lib.transport.put import put_file
from vault import LABEL, apply_vault


class SmallFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """A file system in memory with room for some files."""

    protocol = "small"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    room: ClassVar[float] = 0

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        if len(self.store) >= self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.pipe_file(rpath, Path(lpath).read_bytes())


@pytest.fixture
def small() -> Iterator[type[SmallFileSystem]]:
    """The class of a file system that is empty and has no room."""
    fsspec.register_implementation("small", SmallFileSystem, clobber=True)
    SmallFileSystem.store.clear()
    SmallFileSystem.room = 0
    yield SmallFileSystem
    SmallFileSystem.store.clear()


def run(workspace: Workspace, destination: str, **options: Any) -> ExportReport:
    request = ExportRequest(pipeline=LABEL, destination=destination, **options)
    hasty = Workspace(workspace.store, workspace.storage, Limits(retry_seconds=0))
    return export_results(hasty, request)


def finish_at(workspace: Workspace, days: int) -> int:
    """Finish a task on a host whose clock is wrong by some days."""
    task = claim(workspace.store)
    at = AT + timedelta(days=days)
    return submit_task(workspace.store, task.id, "ann", {"sentiment": "good"}, at=at).id


def in_memory(small: type[SmallFileSystem]) -> list[int]:
    tables = [pq.read_table(BytesIO(file.getvalue())) for file in small.store.values()]
    return sorted(task for table in tables for task in table["task_id"].to_pylist())


def in_files(folder: Path) -> list[int]:
    files = sorted(folder.rglob("*.parquet"), key=lambda path: path.name)
    return [task for path in files for task in pq.read_table(path)["task_id"].to_pylist()]


def test_a_destination_that_is_full_midway(
    workspace: Workspace, tmp_path: Path, small: type[SmallFileSystem]
) -> None:
    make_tasks(workspace, tmp_path, 4)
    done = [finish_at(workspace, days) for days in (0, 1, 2)]
    small.room = 2
    with pytest.raises(StorageUnavailableError) as caught:
        run(workspace, "small://lake", by_day=True)
    assert "cannot be written: [Errno 28] No space left on device" in str(caught.value)
    assert len(in_memory(small)) < len(done)
    done.append(finish_at(workspace, 3))
    small.room = 10
    assert run(workspace, "small://lake", by_day=True).exported == 4
    assert run(workspace, "small://lake", by_day=True).exported == 0
    assert in_memory(small) == done


def test_a_table_that_fails_midway(workspace: Workspace, shop: Shop, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 6)
    destination = f"{shop.url}{'&' if '?' in shop.url else '?'}table=labels"
    for _ in range(2):
        finish(workspace.store)
    run(workspace, destination)
    refuse_task(shop, 4)
    for _ in range(3):
        finish(workspace.store)
    with pytest.raises(StorageRefusedError) as caught:
        run(workspace, destination)
    assert str(caught.value).endswith(" cannot be written: the disk is full")
    assert stored(shop) == [1, 2]
    shop.run("DROP TRIGGER refuse" + ("" if is_sqlite(shop) else " ON labels"))
    finish(workspace.store)
    assert run(workspace, destination).exported == 4
    assert run(workspace, destination).exported == 0
    assert stored(shop) == [1, 2, 3, 4, 5, 6]


def is_sqlite(shop: Shop) -> bool:
    return shop.engine.dialect.name == "sqlite"


def refuse_task(shop: Shop, task_id: int) -> None:
    """Let the table refuse a task."""
    if is_sqlite(shop):
        shop.run(
            f"CREATE TRIGGER refuse BEFORE INSERT ON labels WHEN NEW.task_id = {task_id}"
            " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
        return
    shop.run(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'the disk is full'; END$$"
    )
    shop.run(
        f"CREATE TRIGGER refuse BEFORE INSERT ON labels FOR EACH ROW WHEN (NEW.task_id = {task_id})"
        " EXECUTE FUNCTION fail()"
    )


def stored(shop: Shop) -> list[int]:
    with shop.engine.connect() as connection:
        return list(connection.scalars(text("SELECT task_id FROM labels ORDER BY task_id")))


@pytest.mark.parametrize("full", [True, False], ids=["starts over", "continues"])
def test_a_slow_run_leaves_what_a_faster_one_has_done_since(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    make_tasks(workspace, tmp_path, 3)
    lake = tmp_path / "lake"
    done = [finish(workspace.store).id]

    def overtake(*arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(export, "put_file", put_file)
        done.append(finish(workspace.store).id)
        assert run(workspace, str(lake), full=full).exported > 0
        run(workspace, str(lake))
        put_file(*arguments, **options)

    monkeypatch.setattr(export, "put_file", overtake)
    run(workspace, str(lake))
    assert in_files(lake) == done
    done.append(finish(workspace.store).id)
    run(workspace, str(lake))
    assert in_files(lake) == done


def test_hosts_with_wrong_clocks_lose_no_task(workspace: Workspace, tmp_path: Path) -> None:
    make_tasks(workspace, tmp_path, 6)
    lake, days = tmp_path / "lake", tmp_path / "days"
    done = []
    for day in (0, 400, -400, 0, 5000, -1):
        done.append(finish_at(workspace, day))
        assert run(workspace, str(lake)).exported == 1
        assert run(workspace, str(days), by_day=True).exported == 1
    assert in_files(lake) == in_files(days) == done
    assert len(list(days.iterdir())) == 5


def test_a_field_that_is_new_is_a_column_of_new_files(
    workspace: Workspace, tmp_path: Path, catalogue_file: Path
) -> None:
    make_tasks(workspace, tmp_path, 2)
    lake = tmp_path / "lake"
    finish(workspace.store)
    [before] = run(workspace, str(lake)).files
    field = "{name: remark, type: text, source: input, required: false}"
    more = catalogue_file.read_text(encoding="utf-8").rstrip()
    apply_vault(workspace, tmp_path, f"{more}\n              - {field}\n")
    finish(workspace.store, values={"sentiment": "good", "remark": "new"})
    [after] = run(workspace, str(lake)).files
    assert "remark" not in pq.read_table(lake / before).column_names
    assert pq.read_table(lake / after)["remark"].to_pylist() == ["new"]
    [whole] = run(workspace, str(lake), full=True).files
    assert pq.read_table(lake / whole)["remark"].to_pylist() == [None, "new"]


def test_a_task_whose_transaction_is_still_open_is_not_passed_over(
    postgresql_store_url: str, catalogue_file: Path, tmp_path: Path
) -> None:
    store = Store.open(postgresql_store_url)
    apply_catalogue(store, catalogue_file)
    workspace = Workspace(store, Storage((tmp_path / "files").as_uri()), Limits())
    make_tasks(workspace, tmp_path, 2)
    lake = str(tmp_path / "lake")
    slow = claim(store, "ann").id
    with ThreadPoolExecutor(1) as pool:
        with store.write() as session:
            submit_task(store.within(session), slow, "ann", {"sentiment": "good"}, at=AT)
            exporting = pool.submit(run, workspace, lake)
            wait_until(lambda: _is_waiting(store))
        assert exporting.result(timeout=PATIENCE_SECONDS).exported == 1
    fast = finish(store, "bob").id
    assert run(workspace, lake).exported == 1
    assert in_files(tmp_path / "lake") == [slow, fast]
    store.close()


def _is_waiting(store: Store) -> bool:
    waiting = text("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
    with store.query() as session:
        return bool(session.scalar(waiting))
