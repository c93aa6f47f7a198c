"""Files below a local folder. Each is written aside and appears by being renamed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from tasks_lib.errors import StorageRefusedError
from tasks_lib.intake.transports import local_path


class Folder:
    """The place for ``file://`` URLs and plain paths."""

    concurrency = 8

    def __init__(self, root: str) -> None:
        self._root = root

    def size_of(self, uri: str) -> int | None:
        """Return the size of a file, None where there is none."""
        with _explained(uri):
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
        aside = self._incoming / uuid4().hex
        with _explained(uri):
            self._incoming.mkdir(parents=True, exist_ok=True)
            aside.touch(exist_ok=False)
        return _FolderParts(uri, aside)

    def upload_link(self, uri: str, *, size: int | None, seconds: int) -> str | None:  # noqa: ARG002
        """Return None: a folder takes no requests."""
        return None

    def link(self, uri: str, *, name: str, content_type: str, seconds: int) -> str:  # noqa: ARG002
        """Return the file's own URL."""
        return _path(uri).absolute().as_uri()

    def remove(self, uris: Sequence[str]) -> None:
        """Remove files; those that are not there are fine."""
        for uri in uris:
            with _explained(uri):
                _path(uri).unlink(missing_ok=True)

    def remove_leftovers(self, *, before: datetime) -> int:
        """Remove what interrupted writes have left; return how many."""
        count = 0
        with _explained(str(self._incoming)), suppress(FileNotFoundError):
            for path in self._incoming.iterdir():
                with suppress(FileNotFoundError):  # its write has just come to its end
                    if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                        path.unlink()
                        count += 1
        return count

    @property
    def _incoming(self) -> Path:
        return _path(self._root) / ".incoming"


class _FolderParts:
    """A file that is being written aside."""

    def __init__(self, uri: str, aside: Path) -> None:
        self._uri = uri
        self._aside = aside

    def send(self, number: int, offset: int, data: bytes) -> None:  # noqa: ARG002
        with _explained(self._uri), self._aside.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    def complete(self) -> None:
        target = _path(self._uri)
        with _explained(self._uri):
            _flush(self._aside)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._aside.replace(target)

    def abort(self) -> None:
        with _explained(self._uri):
            self._aside.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the content on the disk before its name: a power cut would leave an empty file."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _path(uri: str) -> Path:
    path = local_path(uri)
    assert path is not None, uri  # noqa: S101
    return path


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageRefusedError(f"the storage cannot be written: {uri}: {error}") from error
