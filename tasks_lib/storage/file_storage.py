"""Keep files under one root: a local folder, or ``s3://bucket/prefix``.

Endpoint and credentials of a bucket come from the environment variables of boto3 (``AWS_*``).
"""

import hashlib
import mimetypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from tasks_lib.errors import UsageError
from tasks_lib.storage.folder import Folder
from tasks_lib.storage.parallel_writes import FileWrite, ParallelWrites
from tasks_lib.storage.places import Parts, Place
from tasks_lib.transport.filesystems import local_path, protocol_of
from tasks_lib.transport.retry import Answer, keep_trying

_CHUNK_BYTES: Final = 2**20


class Storage:
    """The folder or bucket prefix that holds all files; connects at the first call.

    While the storage does not respond, each call is retried for ``retry_seconds``.
    """

    def __init__(self, root: str, *, retry_seconds: float = 30) -> None:
        self.root = root.rstrip("/")
        self._retry_seconds = retry_seconds

    @property
    def folder(self) -> Path | None:
        """The folder that holds the files; None if a bucket does."""
        return local_path(self.root)

    def put(self, key: str, path: Path) -> str:
        """Copy a local file to ``key``, replacing a file that is there; return its URI.

        A concurrent reader of ``key`` gets the old file or the new one. Raises
        StorageUnavailableError.
        """
        uri = f"{self.root}/{key}"
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        file_write = FileWrite(sha256, path.stat().st_size, content_type, partial(_chunks, path))
        with self.parallel_writes() as writes:
            writes.send(uri, file_write, may_exist=False)
        return uri

    def uri_of(self, sha256: str) -> str:
        """Return the URI of a file with this hash."""
        return f"{self.root}/files/{sha256[:2]}/{sha256}"

    @contextmanager
    def parallel_writes(self) -> Iterator[ParallelWrites]:
        """Open parallel writes of files by content; all are stored once the context is left.

        Raises the errors of ``ParallelWrites.submit``. If the context is left by an exception,
        writes that have not finished are dropped.
        """
        place = self._place_of(self.root)
        with ParallelWrites(place, self.uri_of, retry_seconds=self._retry_seconds) as writes:
            yield writes

    def link(self, uri: str, *, name: str, content_type: str, seconds: int) -> str:
        """Return a URL at which a browser shows the file; ``uri`` may be below another root.

        For a bucket it is signed and valid for ``seconds``; for a folder it is the file's own.
        """
        place = self._place_of(uri)
        return self._try(
            partial(place.link, uri, name=name, content_type=content_type, seconds=seconds)
        )

    def size_of(self, uri: str) -> int | None:
        """Return the size of a file in bytes, None if there is no file."""
        return self._try(partial(self._place_of(uri).size_of, uri))

    def upload_link(self, uri: str, *, size: int | None, seconds: int) -> str | None:
        """Return a URL that accepts a PUT of the file for ``seconds``; None for a folder."""
        place = self._place_of(uri)
        return self._try(partial(place.upload_link, uri, size=size, seconds=seconds))

    def receive(self, uri: str) -> Parts:
        """Begin a file of unknown size; it appears when its parts are completed."""
        place = self._place_of(uri)
        content_type = "application/octet-stream"
        return self._try(partial(place.begin, uri, content_type=content_type, size=0))

    def remove(self, uris: Sequence[str]) -> None:
        """Remove files below any root; ignore those that do not exist."""
        for is_local in (True, False):
            some = [uri for uri in uris if (local_path(uri) is not None) is is_local]
            if some:
                self._try(partial(self._place_of(some[0]).remove, some))

    def remove_leftovers(self, *, before: datetime) -> int:
        """Remove the remains of writes that were interrupted before that time; return how many."""
        return self._try(partial(self._place_of(self.root).remove_leftovers, before=before))

    def _try(self, attempt: Callable[[], Answer]) -> Answer:
        return keep_trying(attempt, seconds=self._retry_seconds)

    def _place_of(self, uri: str) -> Place:
        if local_path(uri) is not None:
            return self._folder
        protocol = protocol_of(uri)
        if protocol not in {"s3", "s3a"}:
            raise UsageError(
                f"files cannot be kept under {protocol!r}; expected a folder or s3://bucket/prefix"
            )
        return self._bucket

    @cached_property
    def _folder(self) -> Folder:
        return Folder(self.root)

    @cached_property
    def _bucket(self) -> Place:
        from tasks_lib.storage.bucket import Bucket  # noqa: PLC0415 - loads the clients of S3

        return Bucket(self.root)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
