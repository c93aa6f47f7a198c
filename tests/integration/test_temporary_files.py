"""Temporary files: removed also after a kill, and a full disk is one sentence."""

import errno
import gzip
import os
import re
import resource
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from children import CHILDREN
from command_line import Seeding
from people import PATH
from tasks_lib.domain.limits import Limits
from tasks_lib.errors import TemporaryFilesError
from tasks_lib.intake.datasets.row_spool import RowSpool
from tasks_lib.intake.datasets.value_rows import ValueRows
from tasks_lib.operations.upkeep.reconcile import reconcile
from tasks_lib.operations.workspace import Workspace
from tasks_lib.transport import temporary
from tasks_lib.transport.temporary import (
    open_temporary,
    remove_abandoned_folders,
    temporary_folder,
    writing_temporary_files,
)

DAY = 24 * 60 * 60


@pytest.fixture(autouse=True)
def temporary_files(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder for temporary files that only this test uses.

    Servers that all tests share start before: their sockets must not be in this folder.
    """
    forkserver.ensure_running()
    if "workspace" in request.fixturenames:
        request.getfixturevalue("workspace")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def folders_in(temporary_files: Path) -> list[Path]:
    return sorted(temporary_files.glob("seeding-*"))


def test_a_folder_is_there_for_a_block_and_then_removed(temporary_files: Path) -> None:
    with temporary_folder() as folder:
        (folder / "source").write_text("x")
        assert folders_in(temporary_files) == [folder]
        assert folder.stat().st_mode & 0o777 == 0o700
    assert folders_in(temporary_files) == []


def _stay(tempdir: str, pipe: Connection) -> None:
    tempfile.tempdir = tempdir
    with temporary_folder() as folder:
        (folder / "source").write_text("a copy of a large file")
        pipe.send(str(folder))
        signal.pause()


@contextmanager
def other_process(temporary_files: Path) -> Iterator[tuple[Path, int]]:
    """Yield the folder of another process, and its number; it is killed at the end."""
    ours, theirs = CHILDREN.Pipe()
    child = CHILDREN.Process(target=_stay, args=(str(temporary_files), theirs))
    child.start()
    assert child.pid is not None
    try:
        yield Path(ours.recv()), child.pid
    finally:
        child.kill()
        child.join()


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_live_one_stays(
    temporary_files: Path,
) -> None:
    with other_process(temporary_files) as (living, _):
        with other_process(temporary_files) as (killed, _):
            pass
        assert folders_in(temporary_files) == sorted([living, killed])
        assert remove_abandoned_folders() == 1
        assert folders_in(temporary_files) == [living]
        assert (living / "source").read_text() == "a copy of a large file"
    assert remove_abandoned_folders() == 1
    assert folders_in(temporary_files) == []


def test_the_first_folder_of_a_process_removes_those_of_killed_ones(temporary_files: Path) -> None:
    with other_process(temporary_files):
        pass
    with temporary_folder() as folder:
        assert folders_in(temporary_files) == [folder]


def test_upkeep_removes_the_folders_of_killed_processes(
    workspace: Workspace, temporary_files: Path
) -> None:
    with other_process(temporary_files):
        pass
    done = reconcile(workspace, None, now=workspace.store.now())
    assert (done.removed_leftovers, folders_in(temporary_files)) == (1, [])


def test_a_folder_of_another_machine_stays_until_it_is_untouched_for_a_day(
    temporary_files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with other_process(temporary_files) as (folder, _):
        pass
    boot = tmp_path / "boot_id"
    boot.write_text("0123abcd-8931-4cd8-8a66-3aad25ee4336\n")
    monkeypatch.setattr(temporary, "_BOOT", boot)
    old = folder.stat().st_mtime - DAY - 60
    os.utime(folder, (old, old))
    assert remove_abandoned_folders() == 0  # its file is young
    os.utime(folder / "source", (old, old))
    assert remove_abandoned_folders() == 1


def test_files_of_others_stay(temporary_files: Path) -> None:
    names = ["seeding-backup", "seeding-tmp-mine", "seeding-tmp-0123abcd-0123456789abcdef.csv"]
    for name in names:
        (temporary_files / name).mkdir()
    link = temporary_files / f"seeding-tmp-{temporary._boot()}-0123456789abcdef"
    link.symlink_to(temporary_files / names[0])
    assert remove_abandoned_folders() == 0
    assert sorted(temporary_files.iterdir()) == sorted(
        [link, *map(temporary_files.joinpath, names)]
    )


def test_a_folder_for_temporary_files_that_is_missing_is_one_sentence(
    temporary_files: Path,
) -> None:
    shutil.rmtree(temporary_files)
    with pytest.raises(TemporaryFilesError) as caught, temporary_folder():
        pass
    assert str(caught.value) == (
        f"temporary files cannot be written to {temporary_files}: No such file or directory; free "
        "some space there, or set TMPDIR to a folder with more"
    )


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let this process write no larger files, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full(folder: Path, reason: str = "File too large") -> str:
    return (
        f"temporary files cannot be written to {folder}: {reason}; free some space there, or set "
        "TMPDIR to a folder with more"
    )


@pytest.mark.parametrize("size", [10, 100_000], ids=["at the end", "midway"])
def test_a_copy_that_does_not_fit_is_one_sentence(size: int, temporary_files: Path) -> None:
    with (
        temporary_folder() as folder,
        files_of_at_most(5),
        pytest.raises(TemporaryFilesError, match=f"^{re.escape(full(temporary_files))}$"),
        open_temporary(folder / "source") as file,
    ):
        file.write(b"x" * size)


def test_a_full_disk_while_rows_are_copied_is_one_sentence(temporary_files: Path) -> None:
    rows = ValueRows(["text"], [[f"{n:1000}"] for n in range(1_000)], Limits())
    with (
        RowSpool.open() as spool,
        files_of_at_most(50_000),
        pytest.raises(TemporaryFilesError, match=f"^{re.escape(full(temporary_files))[:60]}"),
    ):
        spool.fill(rows, Limits())


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EPIPE, "Broken pipe"), sqlite3.OperationalError("no such table: rows")],
    ids=["a pipe", "a mistake"],
)
def test_other_errors_are_not_blamed_on_the_disk(error: Exception) -> None:
    if isinstance(error, sqlite3.OperationalError):
        error.sqlite_errorcode = sqlite3.SQLITE_ERROR
    with pytest.raises(type(error)) as caught, writing_temporary_files():
        raise error
    assert caught.value is error


@pytest.mark.parametrize("packed", [False, True], ids=["rejected rows", "a packed file"])
def test_a_seeding_on_a_full_disk_says_so_and_creates_nothing(
    packed: bool, temporary_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, catalogue_file: Path,
) -> None:  # fmt: skip
    seeding = Seeding(capsys)
    assert seeding("apply", str(catalogue_file))[0] == 0
    rows = "".join(f"{number},{'long text ' * 10},six\n" for number in range(9_000))
    content = f"review_id,body,stars\n{rows}".encode()
    source = tmp_path / ("reviews.csv.gz" if packed else "reviews.csv")
    source.write_bytes(gzip.compress(content) if packed else content)
    with files_of_at_most(500_000):
        answer = seeding("seed", "csv", PATH, str(source), "--on-error", "skip-rows")
    assert answer == (3, "", f"error: {full(temporary_files)}\n")
    status, tasks = seeding.json("tasks", "list", PATH)
    assert (status, tasks) == (0, [])
    assert folders_in(temporary_files) == []
