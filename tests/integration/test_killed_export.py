"""An export that is killed at any moment is repeated without a gap or a duplicate."""

import os
import shutil
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
from shops import Shop
from sqlalchemy import text

from children import Victims
from people import AT, make_tasks
from tasks_lib.domain.limits import Limits
from tasks_lib.operations.results.export import ExportRequest, export_results
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store
from vault import LABEL

TASKS = 500
KILLS = 20
DAYS_ON_S3 = 2


def export(url: str, lake: str, ready: Connection) -> None:
    """Export in a child process, signalling the beginning and the end."""
    store = Store.open(url)
    workspace = Workspace(store, Storage(f"{lake}-files"), Limits())
    ready.send("begins")
    export_results(workspace, ExportRequest(pipeline=LABEL, destination=lake, by_day=True))
    ready.send("through")


def export_to_table(url: str, files: str, destination: str, ready: Connection) -> None:
    """Export to a table in a child process, signalling the beginning and the end."""
    store = Store.open(url)
    workspace = Workspace(store, Storage(files), Limits())
    ready.send("begins")
    export_results(workspace, ExportRequest(pipeline=LABEL, destination=destination))
    ready.send("through")


def export_to_s3(environment: dict[str, str], url: str, files: str, lake: str, ready: Any) -> None:
    """Export to a bucket in a child process, signalling the beginning and the end."""
    os.environ.update(environment)  # the fork server may be older than this test's settings
    store = Store.open(url)
    workspace = Workspace(store, Storage(files), Limits())
    ready.send("begins")
    export_results(workspace, ExportRequest(pipeline=LABEL, destination=lake, by_day=True))
    ready.send("through")


def finish_all(workspace: Workspace, *, days: int = 5) -> None:
    """Finish all tasks on some days."""
    day = "datetime(:at, '+' || (id % :days) || ' days')"
    if workspace.store.is_postgresql:
        day = "CAST(:at AS timestamptz) + make_interval(days => CAST(id % :days AS integer))"
    finish = "UPDATE tasks SET status = 'finished', filled_in = '{}', finish_number = id"
    values = {"at": AT.isoformat(" "), "days": days}
    with workspace.store.write() as session:
        session.execute(text(f"{finish}, finished_at = {day}"), values)


def test_an_export_is_complete_despite_twenty_random_kills(
    workspace: Workspace, tmp_path: Path
) -> None:
    make_tasks(workspace, tmp_path, TASKS)
    finish_all(workspace)
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    lake = tmp_path / "lake"
    request = ExportRequest(pipeline=LABEL, destination=str(lake), by_day=True)
    victims = Victims(export, seed=21)
    victims.spare(url, str(lake))
    for _ in range(KILLS):
        shutil.rmtree(lake)
        with workspace.store.write() as session:
            session.execute(text("DELETE FROM result_exports"))
        victims.kill(url, str(lake))
        victims.note(in_time=export_results(workspace, request).exported == TASKS)
        files = [path for path in lake.rglob("*") if path.is_file()]
        found = [task for path in files for task in pq.read_table(path)["task_id"].to_pylist()]
        assert sorted(found) == list(range(1, TASKS + 1))
    victims.check()


def test_a_table_is_complete_despite_twenty_random_kills(
    workspace: Workspace, shop: Shop, tmp_path: Path
) -> None:
    make_tasks(workspace, tmp_path, TASKS)
    finish_all(workspace)
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    destination = f"{shop.url}{'&' if '?' in shop.url else '?'}table=labels"
    request = ExportRequest(pipeline=LABEL, destination=destination)
    victims = Victims(export_to_table, seed=21)
    victims.spare(url, str(tmp_path / "files"), destination)
    for _ in range(KILLS):
        shop.run("DROP TABLE IF EXISTS labels")
        with workspace.store.write() as session:
            session.execute(text("DELETE FROM result_exports"))
        victims.kill(url, str(tmp_path / "files"), destination)
        victims.note(in_time=export_results(workspace, request).exported == TASKS)
        with shop.engine.connect() as connection:
            found = connection.scalars(text("SELECT task_id FROM labels ORDER BY task_id")).all()
        assert found == list(range(1, TASKS + 1))
    victims.check()


def test_a_bucket_is_complete_despite_twenty_random_kills(
    workspace: Workspace, s3_bucket: str, tmp_path: Path
) -> None:
    make_tasks(workspace, tmp_path, TASKS)
    finish_all(workspace, days=DAYS_ON_S3)
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    victims = Victims(export_to_s3, seed=21)
    lake, files = f"s3://{s3_bucket}/lake", str(tmp_path / "files")
    victims.spare(environment, url, files, f"{lake}/spared")
    bucket = fsspec.filesystem("s3", skip_instance_cache=True)
    for number in range(KILLS):
        place = f"{lake}/{number}"
        victims.kill(environment, url, files, place)
        request = ExportRequest(pipeline=LABEL, destination=place, by_day=True)
        victims.note(in_time=export_results(workspace, request).exported == TASKS)
        bucket.invalidate_cache()
        tables = [pq.read_table(BytesIO(bucket.cat_file(path))) for path in bucket.find(place)]
        found = [task for table in tables for task in table["task_id"].to_pylist()]
        assert sorted(found) == list(range(1, TASKS + 1))
    victims.check()
