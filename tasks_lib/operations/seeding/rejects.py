"""Read the rejects file, and link to it, for a page that a person opens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from tasks_lib.domain.names import display_name
from tasks_lib.intake.csv_files.template import BYTE_ORDER_MARK
from tasks_lib.operations.workspace import Workspace
from tasks_lib.transport.fetch import fetch
from tasks_lib.transport.filesystems import local_path
from tasks_lib.transport.temporary import temporary_folder

MAX_SHOWN_BYTES: Final = 64 * 2**10
"""Larger files are linked to and not shown: a page in a browser gets slow, and its database big."""

_IN_BROWSER: Final = "text/plain; charset={}"
"""A browser would download ``text/csv`` instead of showing it."""


class Rejects(NamedTuple):
    """The rejects file of a report.

    ``text`` is its content, None if it is larger than ``MAX_SHOWN_BYTES``. A file in a folder has a
    ``path``; one in a bucket has a signed ``link``, which works until ``expires_at``.
    """

    uri: str
    size: int
    text: str | None
    path: Path | None
    link: str | None
    expires_at: datetime


def read_rejects(workspace: Workspace, uri: str, encoding: str = "utf-8") -> Rejects | None:
    """Return the rejects file of a report, None if it is gone; raise StorageUnavailableError."""
    size = workspace.storage.size_of(uri)
    if size is None:
        return None
    path, link = local_path(uri), None
    expires_at = datetime.now(UTC) + timedelta(seconds=workspace.link_seconds)
    if path is None:
        link = workspace.storage.link(
            uri,
            name=display_name(uri),
            content_type=_IN_BROWSER.format(encoding),
            seconds=workspace.link_seconds,
        )
    text = _read(workspace, uri, encoding) if size <= MAX_SHOWN_BYTES else None
    return Rejects(uri, size, text, path, link, expires_at)


def _read(workspace: Workspace, uri: str, encoding: str) -> str:
    limits = workspace.limits._replace(max_source_bytes=MAX_SHOWN_BYTES)
    with temporary_folder() as folder:
        content = fetch(uri, folder, limits).path.read_bytes()
    return content.decode(encoding, errors="replace").removeprefix(BYTE_ORDER_MARK)
