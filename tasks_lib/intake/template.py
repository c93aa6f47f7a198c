"""The CSV template of a pipeline: the exact header that a file must have."""

import csv
import io
from collections.abc import Iterable


def csv_template(names: Iterable[str]) -> str:
    """Return one CSV line with the names, quoted where CSV needs it, ended by CRLF (RFC 4180)."""
    line = io.StringIO(newline="")
    csv.writer(line).writerow(names)
    return line.getvalue()
