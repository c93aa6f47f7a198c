"""Read the rejects file, and link to it, for a page that a person opens."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from tasks_lib.domain.names import display_name
from tasks_lib.domain.rows.dialects import DEFAULT_DIALECT, Dialect, Quote
from tasks_lib.intake.csv_files.template import BYTE_ORDER_MARK
from tasks_lib.operations.workspace import Workspace
from tasks_lib.transport.filesystems import local_path
from tasks_lib.transport.ranges import open_ranges

MAX_SHOWN_BYTES: Final = 64 * 2**10
"""More is linked to and not shown: a page in a browser gets slow, and its database big."""

_IN_BROWSER: Final = "text/plain; charset={}"
"""A browser would download ``text/csv`` instead of showing it."""


class Rejects(NamedTuple):
    """The rejects file of a report.

    ``text`` is its content. Of a file larger than ``MAX_SHOWN_BYTES`` it is the beginning, in whole
    rows; ``first_rows`` is then their number, which is None for a smaller file. A file in a folder
    has a ``path``; one in a bucket has a signed ``link``, which works until ``expires_at``.
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
    expires_at = datetime.now(UTC) + timedelta(seconds=workspace.link_seconds)
    if path is None:
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
