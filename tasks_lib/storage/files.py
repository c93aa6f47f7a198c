"""Keep files under one root: a local folder, or ``s3://bucket/prefix``.

Endpoint and credentials come from the environment that boto3 and s3fs know (``AWS_*``).
"""

import hashlib
import mimetypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from fsspec.utils import get_protocol

from tasks_lib.errors import UsageError
from tasks_lib.intake.attempts import Answer, keep_trying
from tasks_lib.intake.transports import local_path
from tasks_lib.storage.folder import Folder
from tasks_lib.storage.places import Parts, Place
from tasks_lib.storage.uploads import Upload, Uploads

__all__ = ["Parts", "Storage", "Upload", "Uploads"]

_CHUNK_BYTES: Final = 2**20


class Storage:
    """A root below which files are kept; nothing is opened before it is needed.

    Where nobody answers, each call goes on trying for ``retry_seconds``.
    """

    def __init__(self, root: str, *, retry_seconds: float = 30) -> None:
        self.root = root.rstrip("/")
        self._retry_seconds = retry_seconds

    def put(self, key: str, path: Path) -> str:
        """Copy a local file to ``key``, replacing what is there; return its URI.

        Whoever reads ``key`` meanwhile gets the old file or the new one. Raises
        StorageUnavailableError.
        """
        uri = f"{self.root}/{key}"
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        upload = Upload(sha256, path.stat().st_size, content_type, partial(_chunks, path))
        with self.uploads() as uploads:
            uploads.send(uri, upload, may_exist=False)
        return uri

    def uri_of(self, sha256: str) -> str:
        """Return where a file of this content is kept."""
        return f"{self.root}/files/{sha256[:2]}/{sha256}"

    @contextmanager
    def uploads(self, on_stored: Callable[[Upload], None] = lambda _: None) -> Iterator[Uploads]:
        """Open uploads by content, side by side; they are all stored when the context is left.

        Raises what ``Uploads.submit`` does. Left by an exception, what is not stored yet is
        dropped.
        """
        with Uploads(
            self._place_of(self.root),
            self.uri_of,
            retry_seconds=self._retry_seconds,
            on_stored=on_stored,
        ) as uploads:
            yield uploads

    def link(self, uri: str, *, name: str, content_type: str, seconds: int) -> str:
        """Return a URL under which a browser shows the file; ``uri`` may be of another root.

        In a bucket it is signed and holds for ``seconds``; in a folder it is the file's own.
        """
        place = self._place_of(uri)
        return self._try(
            partial(place.link, uri, name=name, content_type=content_type, seconds=seconds)
        )

    def size_of(self, uri: str) -> int | None:
        """Return the size of a file, None where there is none."""
        return self._try(partial(self._place_of(uri).size_of, uri))

    def upload_link(self, uri: str, *, size: int | None, seconds: int) -> str | None:
        """Return a URL to which anybody may PUT the file for so long; None for a folder."""
        place = self._place_of(uri)
        return self._try(partial(place.upload_link, uri, size=size, seconds=seconds))

    def receive(self, uri: str) -> Parts:
        """Begin a file whose size is not known yet; it appears when its parts are completed."""
        place = self._place_of(uri)
        content_type = "application/octet-stream"
        return self._try(partial(place.begin, uri, content_type=content_type, size=0))

    def remove(self, uris: Sequence[str]) -> None:
        """Remove files, of any root; those that are not there are fine."""
        for is_local in (True, False):
            some = [uri for uri in uris if (local_path(uri) is not None) is is_local]
            if some:
                self._try(partial(self._place_of(some[0]).remove, some))

    def remove_leftovers(self, *, before: datetime) -> int:
        """Remove what writes that were interrupted before then have left; return how many."""
        return self._try(partial(self._place_of(self.root).remove_leftovers, before=before))

    def _try(self, attempt: Callable[[], Answer]) -> Answer:
        return keep_trying(attempt, seconds=self._retry_seconds)

    def _place_of(self, uri: str) -> Place:
        if local_path(uri) is not None:
            return self._folder
        protocol = get_protocol(uri)
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
