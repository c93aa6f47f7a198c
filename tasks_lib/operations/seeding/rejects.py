"""Read the rejects file, and link to it, for a page that a person opens.

S3 signs links to its files. The HTTP API serves those of a folder that it shares with the worker,
under a URL that is signed here.
"""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from tasks_lib.domain.names import display_name
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect, Quote
from tasks_lib.errors import NotFoundError
from tasks_lib.intake.csv_files.template import BYTE_ORDER_MARK
from tasks_lib.operations.workspace import Workspace
from tasks_lib.storage.signed_links import is_signed, sign
from tasks_lib.transport.filesystems import local_path
from tasks_lib.transport.ranges import open_ranges

MAX_SHOWN_BYTES: Final = 64 * 2**10
"""More is linked to and not shown: a page in a browser gets slow, and its database big."""

LINK_PATH: Final = "/api/v1/rejects"
"""Where the HTTP API serves the rejects files of a folder."""

FOLDER: Final = "rejects"

_IN_BROWSER: Final = "text/plain; charset={}"
"""A browser would download ``text/csv`` instead of showing it."""


class Rejects(NamedTuple):
    """The rejects file of a report.

    ``text`` is its content. Of a file larger than ``MAX_SHOWN_BYTES`` it is the beginning, in whole
    rows; ``first_rows`` is then their number, which is None for a smaller file. A file in a folder
    has a ``path``. The signed ``link`` works until ``expires_at``; a file in a folder has one if
    the URL of the HTTP API is known.
    """

    uri: str
    size: int
    text: str
    first_rows: int | None
    path: Path | None
    link: str | None
    expires_at: datetime


def read_rejects(
    workspace: Workspace, uri: str, dialect: Dialect = DEFAULT_DIALECT
) -> Rejects | None:
    """Return the rejects file of a report, None if it is gone; raise StorageUnavailableError."""
    size = workspace.storage.size_of(uri)
    if size is None:
        return None
    path, link = local_path(uri), None
    encoding = dialect.encoding or "utf-8"
    expires_at = workspace.store.now() + timedelta(seconds=workspace.link_seconds)
    if path is not None:
        link = _link_to(workspace, path, encoding, expires_at)
    else:
        link = workspace.storage.link(
            uri,
            name=display_name(uri),
            content_type=_IN_BROWSER.format(encoding),
            seconds=workspace.link_seconds,
        )
    with open_ranges(uri, workspace.limits) as file:
        content = file.read(0, min(size, MAX_SHOWN_BYTES))
    text = content.decode(encoding, errors="replace").removeprefix(BYTE_ORDER_MARK)
    first_rows = None
    if size > MAX_SHOWN_BYTES:
        text, first_rows = _whole_rows(text, dialect)
    return Rejects(uri, size, text, first_rows, path, link, expires_at)


def find_linked_rejects(
    workspace: Workspace, name: str, charset: str, expires: int, signature: str, *, at: datetime
) -> tuple[Path, str]:
    """Return the path and the content type of the file that a signed link refers to.

    Raises NotFoundError if the link is wrong or has expired, and StorageRefusedError.
    """
    folder = workspace.storage.folder
    if folder is None or not is_signed(folder, signature, name, charset, str(expires)):
        raise NotFoundError("the link is incomplete, or of another installation")
    if expires <= at.timestamp():
        message = "the link has expired; the flow run's page says where the file is"
        raise NotFoundError(message)
    path = folder / FOLDER / name
    if not path.is_file():
        raise NotFoundError("the rejects file is no longer there")
    return path, _IN_BROWSER.format(charset)


def _link_to(workspace: Workspace, path: Path, charset: str, expires_at: datetime) -> str | None:
    """Return a signed URL of a file in the folder, None if the API cannot serve it."""
    folder = workspace.storage.folder
    if not workspace.api_url or folder is None or path.parent != folder / FOLDER:
        return None
    expires = str(int(expires_at.timestamp()))
    signature = sign(folder, path.name, charset, expires)
    query = urlencode({"charset": charset, "expires": expires, "signature": signature})
    return f"{workspace.api_url}{LINK_PATH}/{quote(path.name)}?{query}"


def _whole_rows(text: str, dialect: Dialect) -> tuple[str, int]:
    """Return the text up to its last whole row, and the number of rows below the header."""
    marks = "\n" if dialect.quote is Quote.NONE else '["\n]'
    is_quoted, ends = False, []
    for mark in re.finditer(marks, text):
        if mark[0] == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            ends.append(mark.end())
    rows = len(ends) - (2 if dialect.names_delimiter else 1)
    return (text[: ends[-1]], rows) if rows > 0 else ("", 0)
