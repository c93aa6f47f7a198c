"""The names of one source: they differ only in their dates, or in an upload's id."""

import re
from typing import Final

_YEAR: Final = r"(?:19|20)\d\d"
_MONTH: Final = r"(?:0[1-9]|1[0-2])"
_DAY: Final = r"(?:0[1-9]|[12]\d|3[01])"
_TIME: Final = r"(?:[T_ -]?(?:[01]\d|2[0-3])[-:_.]?[0-5]\d(?:[-:_.]?[0-5]\d)?Z?)?"
_DATES: Final = re.compile(
    rf"(?<!\d)(?:{_YEAR}([-_./]?){_MONTH}\1{_DAY}{_TIME}|{_YEAR}[-_/]{_MONTH}"
    rf"|{_DAY}([-_.]){_MONTH}\2{_YEAR})(?!\d)",
    re.IGNORECASE,
)
_UPLOAD: Final = re.compile(r"(?<=/uploads/)[0-9a-f]{32}(?=-)")


def identity_of(source: str) -> str:
    """Return what the names of one source have in common.

    ``reviews-2026-11-29.csv`` and ``reviews-2026-11-30.csv`` are one source, and so are
    ``2026/11/29/reviews.csv`` and ``2026/11/30/reviews.csv``, or two uploads with one file name.
    """
    return _DATES.sub("*", _UPLOAD.sub("*", source))
