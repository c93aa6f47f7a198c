"""A ZIP seeding that is killed or cut off from its storage still creates every task once."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import boto3
import pytest

from children import CHILDREN
from photos import HEADER, PATH, photo_workspace, png, write_zip
from proxies import Proxy
from servers import wait_until
from storages import by_uri, files_in, uris_of
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.progress import Progress
from tasks_lib.operations.groups.read import list_groups
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

FILES = 600
OUTAGE_SECONDS = 3


@pytest.fixture(params=["sqlite and a folder", "postgresql and s3"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    with photo_workspace(request, tmp_path) as workspace:
        yield workspace


def seed(environment: dict[str, str], url: str, root: str, source: str, run_id: str) -> None:
    """Seed in a child process that stops at sixty percent of the files, and waits to be killed."""
    os.environ.update(environment)  # the fork server may be older than this test's settings
    workspace = Workspace(Store.open(url), Storage(root), Limits())
    request = ZipRequest(pipeline=PATH, source=source)
    seed_from_zip(workspace, request, run_id=run_id, on_progress=stop_at_sixty_percent)


def stop_at_sixty_percent(progress: Progress) -> None:
    if progress.items >= 0.6 * FILES:
        signal.pause()


def start(workspace: Workspace, source: str, run_id: str) -> ForkServerProcess:
    url = workspace.store.engine.url.render_as_string(hide_password=False)
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    arguments = (environment, url, workspace.storage.root, source, run_id)
    child = CHILDREN.Process(target=seed, args=arguments)
    child.start()
    return child


def test_everything_exists_once_after_a_kill_at_sixty_percent_and_a_rerun(
    photos: Workspace, tmp_path: Path
) -> None:
    contents = {f"{number}.png": png(f"photo {number}") for number in range(FILES)}
    rows = HEADER + "".join(f"{name},place {name},\n" for name in contents)
    source = write_zip(tmp_path / "photos.zip", rows, contents)
    child = start(photos, source, "run-1")
    wait_until(lambda: count_of_files(photos) >= 0.6 * FILES)
    child.kill()
    child.join()
    left = count_of_files(photos)
    assert 0.6 * FILES <= left < FILES, "the kill came too late to prove anything"
    assert list_groups(photos.store, PATH) == []
    again = seed_from_zip(photos, ZipRequest(pipeline=PATH, source=source), run_id="run-1").report
    assert (again.created, again.already_seeded) == (FILES, 0)
    tasks = list_tasks(photos.store, PATH, limit=2 * FILES)
    assert [task.origin.row for task in tasks] == list(range(1, FILES + 1))
    kept = {uri: content for uri, content in files_in(photos.storage).items() if "/files/" in uri}
    expected = by_uri(photos.storage, *contents.values())
    assert {uri: kept[uri] for uri in expected} == expected
    unfinished = [uri for uri in kept if uri not in expected]
    assert [uri for uri in unfinished if "/.incoming/" not in uri] == []


@pytest.mark.parametrize("photos", ["postgresql and s3"], indirect=True)
def test_everything_exists_once_after_an_outage_of_s3(
    proxy: Proxy, photos: Workspace, s3_bucket: str, tmp_path: Path
) -> None:
    notes = {f"{number}.txt": random.Random(number).randbytes(100_000) for number in range(300)}
    rows = HEADER + "".join(f"dawn.png,place,{name}\n" for name in notes)
    source = write_zip(tmp_path / "photos.zip", rows, {"dawn.png": png("dawn"), **notes})
    boto3.client("s3").upload_file(source, s3_bucket, "inbox/photos.zip")
    cut_at = list[float]()

    def cut(_: Progress) -> None:
        if not cut_at:
            cut_at.append(time.monotonic())
            proxy.cut()
            threading.Timer(OUTAGE_SECONDS, proxy.restore).start()

    request = ZipRequest(pipeline=PATH, source=f"s3://{s3_bucket}/inbox/photos.zip")
    report = seed_from_zip(photos, request, run_id="run-1", on_progress=cut).report
    assert time.monotonic() - cut_at[0] > OUTAGE_SECONDS
    assert (report.created, report.already_seeded) == (300, 0)
    tasks = list_tasks(photos.store, PATH, limit=600)
    assert [task.origin.row for task in tasks] == list(range(1, 301))
    kept = {
        uri: content for uri, content in files_in(photos.storage).items() if "/inbox/" not in uri
    }
    assert kept == by_uri(photos.storage, png("dawn"), *notes.values())


def count_of_files(workspace: Workspace) -> int:
    uris = uris_of(workspace.storage)
    return len([uri for uri in uris if "/files/" in uri and "/.incoming/" not in uri])
