"""An export with files that is killed at any moment leaves no row without its files."""

import json
import shutil
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy import text

from children import Victims
from people import AT
from photos import HEADER, PATH, photo_workspace, png, write_zip
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.operations.results.export import ExportRequest, export_results
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.file_storage import Storage
from tasks_lib.store.engine import Store

PHOTOS = 120
KILLS = 8


@pytest.fixture(params=["sqlite and a folder"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace with the pipeline of photos; the other kills are on both databases."""
    with photo_workspace(request, tmp_path) as workspace:
        yield workspace


def request_for(lake: str) -> ExportRequest:
    return ExportRequest(
        pipeline=PATH, destination=lake, format=ResultFormat.JSONL, with_files=True
    )


def export(url: str, files: str, lake: str, ready: Connection) -> None:
    """Export in a child process, signalling the beginning and the end."""
    workspace = Workspace(Store.open(url), Storage(files), Limits())
    ready.send("begins")
    export_results(workspace, request_for(lake))
    ready.send("through")


def rows_with_their_files(lake: Path) -> int:
    """Return the number of rows; each must have its file, as a whole."""
    lines = [line for path in lake.glob("*.jsonl") for line in path.read_text().splitlines()]
    photos = [json.loads(line)["photo"] for line in lines]
    for photo in photos:
        copy = lake / "files" / f"{photo['sha256']}.png"
        assert copy.stat().st_size == photo["size"]
    return len(lines)


def test_rows_have_their_files_despite_random_kills(photos: Workspace, tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(PHOTOS)]
    rows = "".join(f"{name},here,\n" for name in names)
    archive = write_zip(tmp_path / "p.zip", HEADER + rows, {name: png(name) for name in names})
    seed_from_zip(photos, ZipRequest(pipeline=PATH, source=archive), run_id="zip")
    finish = "UPDATE tasks SET status = 'finished', filled_in = '{}', finish_number = id"
    with photos.store.write() as session:
        session.execute(text(f"{finish}, finished_at = :at"), {"at": AT.isoformat(" ")})
    url = photos.store.engine.url.render_as_string(hide_password=False)
    lake = tmp_path / "lake"
    victims = Victims(export, seed=522)
    victims.spare(url, photos.storage.root, str(lake))
    assert rows_with_their_files(lake) == PHOTOS
    for _ in range(KILLS):
        shutil.rmtree(lake)
        with photos.store.write() as session:
            session.execute(text("DELETE FROM result_exports"))
        victims.kill(url, photos.storage.root, str(lake))
        assert rows_with_their_files(lake) in {0, PHOTOS}
        victims.note(in_time=export_results(photos, request_for(str(lake))).exported == PHOTOS)
        assert rows_with_their_files(lake) == PHOTOS
    victims.check()
