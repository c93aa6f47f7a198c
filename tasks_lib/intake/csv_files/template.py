"""The CSV template of a pipeline: the exact header that a file must have."""

import csv
import io
from collections.abc import Iterable
from typing import Final

BYTE_ORDER_MARK: Final = "\ufeff"
"""Spreadsheets read a file as UTF-8 if it begins with this, and save it so."""


def csv_template(names: Iterable[str]) -> str:
    """Return a CSV of one line with the names, quoted where CSV needs it, ended by CRLF (RFC 4180).

    It begins with a byte order mark.
    """
    line = io.StringIO(newline="")
    line.write(BYTE_ORDER_MARK)
    csv.writer(line).writerow(names)
    return line.getvalue()
