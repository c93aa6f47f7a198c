"""Files of removed and erased tasks are deleted, unless another task of the group has them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from people import AT
from photos import HEADER, PATH, photo_workspace, png, write_zip
from storages import files_in
from tasks_lib.operations.erasure.task import erase_task
from tasks_lib.operations.groups.undo import undo_group
from tasks_lib.operations.retention.expire import delete_expired
from tasks_lib.operations.seeding.seed_from_zip import ZipRequest, seed_from_zip
from tasks_lib.operations.tasks.move import claim_task, withdraw_tasks
from tasks_lib.operations.upkeep.unused_files import remove_unreferenced_files
from tasks_lib.operations.workspace import Workspace

DAWN, NOON = png("dawn"), png("noon")
ROWS = "dawn.png,Harbour,notes.txt\nnoon.png,Meadow,\ndawn.png,Ridge,\n"
FILES = {"dawn.png": DAWN, "noon.png": NOON, "notes.txt": b"It was cold.\n"}


@pytest.fixture(params=["sqlite and a folder", "postgresql and s3"])
def photos(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace with three tasks: dawn and notes, noon, and dawn."""
    with photo_workspace(request, tmp_path) as workspace:
        source = write_zip(tmp_path / "photos.zip", HEADER + ROWS, FILES)
        request_ = ZipRequest(pipeline=PATH, source=source)
        assert seed_from_zip(workspace, request_, run_id="1").report.created == 3
        yield workspace


def contents_after_clean_up(workspace: Workspace) -> set[bytes]:
    later = workspace.store.now() + timedelta(days=2)
    remove_unreferenced_files(workspace, now=later)
    return set(files_in(workspace.storage).values())


def test_an_undo_lets_go_of_the_files_that_only_removed_tasks_have(photos: Workspace) -> None:
    claim_task(photos.store, 1, "ann", at=AT)
    assert undo_group(photos.store, 1, by="ann", at=AT).removed == 2
    assert contents_after_clean_up(photos) == {DAWN, FILES["notes.txt"]}


def test_an_undone_group_without_tasks_has_no_files(photos: Workspace) -> None:
    assert undo_group(photos.store, 1, by="ann", at=AT).kept == 0
    assert contents_after_clean_up(photos) == set()


def test_an_erased_task_lets_go_of_its_files(photos: Workspace) -> None:
    erase_task(photos.store, 1, at=AT)
    assert contents_after_clean_up(photos) == {DAWN, NOON}
    erase_task(photos.store, 3, at=AT)
    assert contents_after_clean_up(photos) == {NOON}


def test_expired_tasks_let_go_of_their_files(photos: Workspace) -> None:
    with photos.store.write() as session:
        session.execute(text("UPDATE pipelines SET retention = '{\"withdrawn\": 60}'"))
    for withdrawn, left in (([1], {DAWN, NOON}), ([2, 3], set())):
        withdraw_tasks(photos.store, withdrawn, by="ann", at=AT)
        assert delete_expired(photos.store, at=AT + timedelta(minutes=1)) == len(withdrawn)
        assert contents_after_clean_up(photos) == left
