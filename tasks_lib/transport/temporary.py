"""Folders for temporary files, which are removed also if their process was killed.

A process holds a lock on each of its folders while it lives, so that a later one can tell which
folders nobody uses any more.
"""

import errno
import fcntl
import os
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import BinaryIO, Final

from tasks_lib.errors import TemporaryFilesError

_NAME: Final = re.compile(r"seeding-tmp-(?P<boot>[0-9a-f]{8})-[0-9a-f]{16}")

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_UNTOUCHED_SECONDS: Final = 24 * 60 * 60
"""After so long a folder is removed whose owner may be on another machine."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_SQLITE_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})

_cleaning = Lock()
_cleaned: set[str] = set()
"""The folders for temporary files that this process has cleaned up already."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder, and remove it at the end.

    The first one of a process also removes those of killed processes. Raises TemporaryFilesError,
    also for an error of the block that says that no more can be written.
    """
    folder, lock = _open()
    try:
        with writing_temporary_files():
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def writing_temporary_files() -> Iterator[None]:
    """Raise TemporaryFilesError if the block cannot write: the disk is full or read-only."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _cannot_write(error) from error
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _SQLITE_FULL:
            raise
        raise _cannot_write(error) from error


@contextmanager
def open_temporary(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for writing; raise TemporaryFilesError if no more can be written."""
    with writing_temporary_files():
        file = path.open("wb")
        try:
            yield file
        except BaseException:
            with suppress(OSError):  # the disk is full, and the block has said so
                file.close()
            raise
        file.close()


def remove_abandoned_folders() -> int:
    """Remove the folders of processes that were killed; return their number.

    A folder whose process lives is locked. Locks of other machines may not be seen, so a folder
    that was not made since this machine's start has to be untouched for a day as well.
    """
    parent, removed = Path(tempfile.gettempdir()), 0
    with suppress(OSError):
        for path in list(parent.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match is not None:
                removed += _remove_if_abandoned(path, is_ours=match["boot"] == _boot())
    return removed


def _open() -> tuple[Path, int]:
    """Return a new folder and a descriptor that keeps it locked."""
    try:
        parent = tempfile.gettempdir()
        with _cleaning:
            is_first = parent not in _cleaned
            _cleaned.add(parent)
        if is_first:
            remove_abandoned_folders()
        while True:
            folder = Path(parent) / f"seeding-tmp-{_boot()}-{token_hex(8)}"
            folder.mkdir(mode=0o700)
            lock = _lock(folder)
            if lock is not None:
                return folder, lock
    except OSError as error:
        raise _cannot_write(error) from error


def _lock(folder: Path) -> int | None:
    """Lock a new folder; return None if another process takes it for an abandoned one."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.stat()
    except (BlockingIOError, FileNotFoundError):
        os.close(lock)
        return None
    except OSError:  # a file system without locks, where nobody removes folders
        return lock
    return lock


def _remove_if_abandoned(path: Path, *, is_ours: bool) -> int:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # it has just been removed, or belongs to another user
        return 0
    try:
        if os.fstat(lock).st_uid != os.geteuid() or not (is_ours or _is_untouched(path)):
            return 0
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    except OSError:  # its process lives, or another one is removing it
        return 0
    else:
        return 1
    finally:
        os.close(lock)


def _is_untouched(folder: Path) -> bool:
    times = [path.lstat().st_mtime for path in (folder, *folder.rglob("*"))]
    return max(times) < time.time() - _UNTOUCHED_SECONDS


def _boot() -> str:
    """Return a mark of this machine's start; containers on one machine have the same."""
    try:
        return _BOOT.read_text(encoding="ascii")[:8]
    except OSError:  # not Linux
        return "0" * 8


def _cannot_write(error: OSError | sqlite3.OperationalError) -> TemporaryFilesError:
    reason = getattr(error, "strerror", None) or str(error)
    place = tempfile.tempdir or "the folder for temporary files"
    return TemporaryFilesError(
        f"temporary files cannot be written to {place}: {reason}; free some space there, or set "
        "TMPDIR to a folder with more"
    )
