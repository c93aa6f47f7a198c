"""Copy the files of results beside an export, each under its content's hash and thus once."""

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self

import msgspec

from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.files import FileValue
from tasks_lib.domain.results import ResultColumn
from tasks_lib.errors import StorageRefusedError
from tasks_lib.operations.results.read import MEMBERS, Scope, open_results
from tasks_lib.operations.workspace import Workspace
from tasks_lib.output.result_cells import NULL, ResultCells
from tasks_lib.store.results import result_exports
from tasks_lib.store.results.result_exports import ExportKey, Part
from tasks_lib.transport.filesystems import ask_source, open_bytes
from tasks_lib.transport.put import join, put_file, size_of
from tasks_lib.transport.temporary import temporary_folder, writing_temporary_files

FOLDER: Final = "files"

_AT_ONCE: Final = 8
_CHUNK: Final = 2**20
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,10}")


class FilesToCopy:
    """The files of results, listed on disk, so that memory does not grow with them."""

    def __init__(self, listed: sqlite3.Connection) -> None:
        self._listed = listed
        self._cells: ResultCells | None = None
        listed.execute("CREATE TABLE files (name TEXT PRIMARY KEY, uri TEXT, size INTEGER)")

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Self]:
        """Open an empty list in a folder."""
        with closing(sqlite3.connect(folder / "files.db", isolation_level=None)) as listed:
            listed.execute("PRAGMA journal_mode = OFF")
            listed.execute("PRAGMA synchronous = OFF")
            yield cls(listed)

    def note(self, columns: Sequence[ResultColumn], rows: Sequence[Sequence[Any]]) -> None:
        """Note the files of rows of results with these columns."""
        if self._cells is None:
            files = [column for column in columns if column.type is FieldType.FILE]
            self._cells = ResultCells(files, MEMBERS)
        values = (raw for row in rows for raw in self._cells.read(row) if raw != NULL)
        files_of_rows = (FileValue(**msgspec.json.decode(raw)) for raw in values)
        self._listed.executemany(
            "INSERT OR IGNORE INTO files VALUES (?, ?, ?)",
            [(_name_of(value), value.uri, value.size) for value in files_of_rows],
        )

    def copy(self, place: str, folder: Path, *, seconds: float) -> None:
        """Copy the files to a place, several at a time; leave out those that are there.

        Raises StorageUnavailableError, and StorageRefusedError for a file that is not what was
        stored.
        """
        copy = partial(_copy, place, folder, seconds)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            listed = self._listed.execute("SELECT name, uri, size FROM files ORDER BY name")
            while some := listed.fetchmany(_AT_ONCE * 16):
                list(threads.map(copy, some))


def copy_missing(workspace: Workspace, scope: Scope, export: str, place: str) -> None:
    """Copy the files of the tasks that earlier runs of an export left without them, if any.

    ``export`` is the export's scope. Raises the errors of ``FilesToCopy.copy``.
    """
    key = ExportKey(scope.pipeline.id, export)
    with workspace.store.read() as session:
        stored = result_exports.find_export(session, key)
    if stored is None or stored.files_until >= stored.exported_until:
        return
    part = Part(stored.files_until, stored.exported_until)
    with temporary_folder() as folder, FilesToCopy.open(folder) as copies:
        with (
            open_results(workspace.store, scope, after=part.after, up_to=part.until) as results,
            writing_temporary_files(),
        ):
            if any(column.type is FieldType.FILE for column in results.columns):
                for rows in results.batches:
                    copies.note(results.columns, rows)
        copies.copy(place, folder, seconds=workspace.limits.retry_seconds)
    with workspace.store.write() as session:
        result_exports.note_files(session, key, part)


def _name_of(value: FileValue) -> str:
    suffix = PurePosixPath(value.name).suffix
    return f"{value.sha256}{suffix if _SUFFIX.fullmatch(suffix) else ''}"


def _copy(place: str, folder: Path, seconds: float, file: tuple[str, str, int]) -> None:
    name, uri, size = file
    target = join(place, f"{FOLDER}/{name}")
    if size_of(target, seconds=seconds) == size:
        return
    path = folder / name
    sha256 = ask_source(uri, partial(_fetch, uri, path), seconds=seconds)
    if not name.startswith(sha256):
        raise StorageRefusedError(f"{uri} is not the file that was stored; its content has changed")
    put_file(path, target, seconds=seconds)
    path.unlink()


def _fetch(uri: str, path: Path) -> str:
    """Copy a stored file to a local one, and return its hash."""
    sha256 = hashlib.sha256()
    with open_bytes(uri) as source, path.open("wb") as copy:
        while chunk := source.read(_CHUNK):
            sha256.update(chunk)
            copy.write(chunk)
    return sha256.hexdigest()
