"""Find the ends of a CSV's rows: one by one, or all at once if the quotes are well placed."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tasks_lib.domain.rows.dialects import Dialect, Quote

_QUOTE, _LF, _CR = b'"\n\r'
_NO_LIMIT: Final = 2**31 - 1


@dataclass(frozen=True)
class Record:
    """A record as the careful parser reads it, each byte as one Latin-1 character.

    ``cells`` is None if text follows a closing quote. ``end`` is where the next record starts.
    """

    cells: list[str] | None
    raw: str
    end: int


def cell_reader(lines: Iterable[str], dialect: Dialect, *, strict: bool) -> Iterator[list[str]]:
    """Return the csv module's reader of the dialect, for lines with their line breaks."""
    if dialect.quote is Quote.NONE:
        return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=dialect.delimiter, strict=strict)


def records(data: bytes, dialect: Dialect, *, is_final: bool) -> Iterator[Record]:
    """Yield the complete records of ``data``, and with ``is_final`` the rest as the last one.

    A quote that is never closed ends the records before it, even when ``is_final``.
    """
    csv.field_size_limit(_NO_LIMIT)  # our own limits give the row, and a sentence
    text = data.decode("latin-1")
    position = 0

    def lines() -> Iterator[str]:
        nonlocal position
        for line in io.StringIO(text, newline=""):
            position += len(line)
            yield line

    reader = cell_reader(lines(), dialect, strict=True)
    while True:
        start = position
        cells: list[str] | None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                return
            cells = None
        # A CR at the very end may be half of a CRLF.
        if position == len(text) and not is_final and not text.endswith("\n"):
            return
        yield Record(cells, text[start:position], position)


def end_of_plain_rows(data: bytes, dialect: Dialect, *, at_end: bool) -> int | None:
    """Return the end of the last complete row; None if a quote before it is misplaced.

    In well-formed data every odd quote opens a cell or is the second of a doubled pair, and every
    even one closes a cell or is the first of a pair. So the characters around them are known, and a
    line break with an even number of quotes before it is outside of quotes.
    """
    characters = np.frombuffer(data, dtype=np.uint8)
    is_quoted = dialect.quote is not Quote.NONE
    quotes = np.flatnonzero(characters == _QUOTE) if is_quoted else np.empty(0, np.int64)
    end = len(data) if at_end and len(quotes) % 2 == 0 else _last_line_end(data, quotes)
    if end == 0 and at_end:
        return None
    within = quotes[: np.searchsorted(quotes, end)]
    opening, closing = within[0::2], within[1::2]
    before = characters[opening[opening > 0] - 1]
    after = characters[closing[closing < len(data) - 1] + 1]
    is_edge = np.zeros(256, dtype=bool)
    is_edge[[ord(dialect.delimiter), _QUOTE, _LF, _CR]] = True
    return end if is_edge[before].all() and is_edge[after].all() else None


def _last_line_end(data: bytes, quotes: "np.ndarray[Any, Any]") -> int:
    """Return the end of the last line break that has an even number of quotes before it."""
    limit = len(data)
    while limit > 0:
        # A CR that is the last byte may be half of a CRLF.
        position = max(data.rfind(b"\n", 0, limit), data.rfind(b"\r", 0, min(limit, len(data) - 1)))
        if position < 0:
            return 0
        preceding = int(np.searchsorted(quotes, position))
        if preceding % 2 == 0:
            return position + 1
        limit = int(quotes[preceding - 1])
    return 0
