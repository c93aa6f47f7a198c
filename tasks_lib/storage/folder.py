"""Files below a local folder. Each is written under another name, then renamed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from tasks_lib.errors import StorageRefusedError
from tasks_lib.transport.filesystems import local_path


class Folder:
    """The place for ``file://`` URLs and plain paths."""

    concurrency = 8

    def __init__(self, root: str) -> None:
        self._root = root

    def size_of(self, uri: str) -> int | None:
        """Return the size of a file in bytes, None if there is no file."""
        with _translate_errors(uri):
            try:
                return _path(uri).stat().st_size
            except FileNotFoundError:
                return None

    def write(self, uri: str, data: bytes, *, content_type: str, sha256: str) -> None:  # noqa: ARG002
        """Store a file."""
        parts = self.begin(uri, content_type=content_type, size=len(data))
        try:
            parts.send(1, 0, data)
            parts.complete()
        except BaseException:
            parts.abort()
            raise

    def begin(self, uri: str, *, content_type: str, size: int) -> "_FolderParts":  # noqa: ARG002
        """Begin a file that comes in parts."""
        path = self._incoming / uuid4().hex
        with _translate_errors(uri):
            self._incoming.mkdir(parents=True, exist_ok=True)
            path.touch(exist_ok=False)
        return _FolderParts(uri, path)

    def upload_link(self, uri: str, *, size: int | None, seconds: int) -> str | None:  # noqa: ARG002
        """Return None: a folder accepts no requests."""
        return None

    def link(self, uri: str, *, name: str, content_type: str, seconds: int) -> str:  # noqa: ARG002
        """Return the file's own URL."""
        return _path(uri).absolute().as_uri()

    def remove(self, uris: Sequence[str]) -> None:
        """Remove files; ignore those that do not exist."""
        for uri in uris:
            with _translate_errors(uri):
                _path(uri).unlink(missing_ok=True)

    def remove_leftovers(self, *, before: datetime) -> int:
        """Remove the remains of writes that were interrupted before that time; return how many."""
        count = 0
        with _translate_errors(str(self._incoming)), suppress(FileNotFoundError):
            for path in self._incoming.iterdir():
                with suppress(FileNotFoundError):  # its write has just completed
                    if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                        path.unlink()
                        count += 1
        return count

    @property
    def _incoming(self) -> Path:
        return _path(self._root) / ".incoming"


class _FolderParts:
    """A file that is being written under another name."""

    def __init__(self, uri: str, path: Path) -> None:
        self._uri = uri
        self._written = path

    def send(self, number: int, offset: int, data: bytes) -> None:  # noqa: ARG002
        with _translate_errors(self._uri), self._written.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    def complete(self) -> None:
        target = _path(self._uri)
        with _translate_errors(self._uri):
            _flush(self._written)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._written.replace(target)

    def abort(self) -> None:
        with _translate_errors(self._uri):
            self._written.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Flush the content to disk before the file is renamed; a power cut could leave it empty."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _path(uri: str) -> Path:
    path = local_path(uri)
    if path is None:
        raise RuntimeError(f"{uri} is not in a folder of this machine")
    return path


@contextmanager
def _translate_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageRefusedError(f"the storage cannot be written: {uri}: {error}") from error
