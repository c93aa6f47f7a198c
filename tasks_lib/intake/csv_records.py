"""Where the rows of a CSV text end: record by record, or at once where every quote is in place."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

_QUOTE, _LF, _CR = b'"\n\r'
_NO_LIMIT: Final = 2**31 - 1


@dataclass(frozen=True)
class Record:
    """A record of the careful lane, each byte as one Latin-1 character.

    ``cells`` is None where text follows a closing quote. ``end`` is where the next record starts.
    """

    cells: list[str] | None
    raw: str
    end: int


def records(data: bytes, delimiter: str, *, is_final: bool) -> Iterator[Record]:
    """Yield the whole records of ``data``; one that is not whole is left unless ``is_final``.

    A quote that is never closed ends the records before it, even when ``is_final``.
    """
    csv.field_size_limit(_NO_LIMIT)  # our own limits say which row, and in a sentence
    text = data.decode("latin-1")
    position = 0

    def lines() -> Iterator[str]:
        nonlocal position
        for line in io.StringIO(text, newline=""):
            position += len(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
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


def end_of_plain_rows(data: bytes, delimiter: str, *, at_end: bool) -> int | None:
    """Return where the last whole row ends; None when a quote before it stands where none should.

    In plain data the odd quotes open a cell or are the second of a doubled pair, the even ones
    close a cell or are the first of a pair; so what precedes and follows them is known, and a line
    break lies outside of quotes when an even number of quotes precedes it.
    """
    characters = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(characters == _QUOTE)
    end = len(data) if at_end and len(quotes) % 2 == 0 else _last_line_end(data, quotes)
    if end == 0 and at_end:
        return None
    edges = (ord(delimiter), _QUOTE, _LF, _CR)
    within = quotes[: np.searchsorted(quotes, end)]
    opening, closing = within[0::2], within[1::2]
    before = characters[opening[opening > 0] - 1]
    after = characters[closing[closing < len(data) - 1] + 1]
    is_plain = np.isin(before, edges).all() and np.isin(after, edges).all()
    return end if is_plain else None


def _last_line_end(data: bytes, quotes: "np.ndarray[Any, Any]") -> int:
    """Return the end of the last line break before which an even number of quotes stands."""
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
