"""What a folder and a bucket have in common. Each call is one attempt, whole or without effect."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class Parts(Protocol):
    """A large file on its way: nobody sees it before it is completed."""

    def send(self, number: int, offset: int, data: bytes) -> None:
        """Send a part (from 1); the same one may come again, and several at once."""

    def complete(self) -> None:
        """Make the file of its parts appear; may come again."""

    def abort(self) -> None:
        """Drop what was sent."""


class Place(Protocol):
    """A kind of storage, safe to share between threads.

    Its calls raise StorageUnavailableError where it does not answer and StorageRefusedError where
    it says no.
    """

    @property
    def concurrency(self) -> int:
        """How many calls at once are worth it."""

    def size_of(self, uri: str) -> int | None:
        """Return the size of a file, None where there is none."""

    def write(self, uri: str, data: bytes, *, content_type: str, sha256: str) -> None:
        """Store a file."""

    def begin(self, uri: str, *, content_type: str, size: int) -> Parts:
        """Begin a file that comes in parts."""

    def upload_link(self, uri: str, *, size: int | None, seconds: int) -> str | None:
        """Return a URL to which anybody may PUT the file; None where only this program can."""

    def link(self, uri: str, *, name: str, content_type: str, seconds: int) -> str:
        """Return a URL under which a browser gets the file."""

    def remove(self, uris: Sequence[str]) -> None:
        """Remove files; those that are not there are fine."""

    def remove_leftovers(self, *, before: datetime) -> int:
        """Remove what interrupted writes have left; return how many."""
