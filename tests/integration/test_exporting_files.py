"""The files of results are copied beside an export, each once and before the rows that name it."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from people import AT
from photos import CATALOGUE, HEADER, PATH, photo_workspace, png, write_zip
from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.errors import SourceProblemError, UsageError
from tasks_lib.operations.catalogue.apply import apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.results.declared import export_declared
from tasks_lib.operations.results.export import ExportRequest, export_results
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.tasks.move import claim_task, submit_task
from tasks_lib.operations.workspace import Workspace

PHOTOS = {"a.png": png("a"), "b.png": png("b"), "same.png": png("a"), "n.gz": b"\x1f\x8bno gzip"}
ROWS = "a.png,here,n.gz\nb.png,there,\nsame.png,there,\n"


@pytest.fixture(params=["sqlite and a folder", "postgresql and s3"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """Three finished tasks with photos, two of which are the same."""
    with photo_workspace(request, tmp_path) as workspace:
        archive = write_zip(tmp_path / "photos.zip", HEADER + ROWS, PHOTOS)
        seed_from_zip(workspace, ZipRequest(pipeline=PATH, source=archive), run_id="zip")
        pipeline = find_pipeline(workspace.store, PATH)
        for _ in range(3):
            task = claim_task(workspace.store, pipeline.id, "ann", at=AT)
            assert task is not None
            submit_task(workspace.store, task.id, "ann", {"description": "x"}, at=AT)
        yield workspace


def run(workspace: Workspace, destination: object, **options: Any) -> int:
    request = ExportRequest(
        pipeline=PATH, destination=str(destination), format=ResultFormat.JSONL, **options
    )
    return export_results(workspace, request).exported


def name_of(name: str) -> str:
    return hashlib.sha256(PHOTOS[name]).hexdigest() + Path(name).suffix


def copies_in(lake: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (lake / "files").iterdir()}


def test_files_are_copied_once(photos: Workspace, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    assert run(photos, lake, with_files=True) == 3
    expected = {name_of(name): PHOTOS[name] for name in ("a.png", "b.png", "n.gz")}
    assert copies_in(lake) == expected
    [path] = lake.glob("*.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {row["photo"]["sha256"] + ".png" for row in rows} < set(expected)
    assert run(photos, lake, with_files=True) == 0


def test_files_are_left_where_they_are_otherwise(photos: Workspace, tmp_path: Path) -> None:
    assert run(photos, tmp_path / "lake") == 3
    assert not (tmp_path / "lake" / "files").exists()
    assert run(photos, tmp_path / "lake", with_files=True, full=True) == 3
    assert len(copies_in(tmp_path / "lake")) == 3


def test_half_a_copy_is_replaced(photos: Workspace, tmp_path: Path) -> None:
    half = tmp_path / "lake" / "files" / name_of("a.png")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    run(photos, tmp_path / "lake", with_files=True)
    assert half.read_bytes() == PHOTOS["a.png"]


def test_a_file_that_is_gone_keeps_its_rows_back(photos: Workspace, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    uri = photos.storage.uri_of(hashlib.sha256(PHOTOS["b.png"]).hexdigest())
    photos.storage.remove([uri])
    with pytest.raises(SourceProblemError) as caught:
        run(photos, lake, with_files=True)
    assert uri in str(caught.value)
    assert list(lake.glob("*.jsonl")) == []


def test_a_table_holds_no_files(photos: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        ExportRequest(
            pipeline=PATH, destination=f"sqlite:///{tmp_path}/a.db?table=photos", with_files=True
        )
    assert "holds no files" in str(caught.value)


def test_files_of_tasks_that_were_exported_without_them(photos: Workspace, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    assert run(photos, lake) == 3
    assert not (lake / "files").exists()
    assert run(photos, lake, with_files=True) == 0
    assert sorted(copies_in(lake)) == sorted(map(name_of, ("a.png", "b.png", "n.gz")))
    for path in (lake / "files").iterdir():
        path.unlink()
    run(photos, lake, with_files=True)
    assert copies_in(lake) == {}


def test_a_declared_destination_gets_the_files(photos: Workspace, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    catalogue = tmp_path / "declared.yaml"
    for option, copied in (("", 0), (", with_files: true", 3), ("", 3)):
        line = f"results: [{{name: lake, url: '{lake}'{option}}}]\n            fields:"
        catalogue.write_text(CATALOGUE.replace("fields:", line), encoding="utf-8")
        apply_catalogue(photos.store, catalogue)
        export_declared(photos)
        assert len(list((lake / "files").glob("*"))) == copied
    assert len(list(lake.glob("*.parquet"))) == 1
