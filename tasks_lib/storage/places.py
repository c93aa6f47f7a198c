"""The interface of a folder and a bucket. Each call is one attempt, and takes effect or not."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class Parts(Protocol):
    """A large file that is written in parts; it appears when it is completed."""

    def send(self, number: int, offset: int, data: bytes) -> None:
        """Send a part, numbered from 1. Idempotent, and safe to call from several threads."""

    def complete(self) -> None:
        """Make the file appear. Idempotent."""

    def abort(self) -> None:
        """Drop the parts sent so far."""


class Place(Protocol):
    """A kind of storage, safe to share between threads.

    Its methods raise StorageUnavailableError if it does not respond and StorageRefusedError if it
    refuses.
    """

    @property
    def concurrency(self) -> int:
        """How many calls to make at the same time."""

    def size_of(self, uri: str) -> int | None:
        """Return the size of a file in bytes, None if there is no file."""

    def write(self, uri: str, data: bytes, *, content_type: str, sha256: str) -> None:
        """Store a file."""

    def begin(self, uri: str, *, content_type: str, size: int) -> Parts:
        """Begin a file that comes in parts."""

    def upload_link(self, uri: str, *, size: int | None, seconds: int) -> str | None:
        """Return a URL that accepts a PUT of the file; None if this storage has no such URLs."""

    def link(self, uri: str, *, name: str, content_type: str, seconds: int) -> str:
        """Return a URL at which a browser gets the file."""

    def remove(self, uris: Sequence[str]) -> None:
        """Remove files; ignore those that do not exist."""

    def remove_leftovers(self, *, before: datetime) -> int:
        """Remove the remains of writes that were interrupted before that time; return how many."""
