"""The dialect of a CSV: the character between its cells, whether cells are quoted, its encoding."""

from enum import StrEnum
from typing import Final, NamedTuple

from tasks_lib.errors import UsageError

_DELIMITER_WORDS: Final = {"tab": "\t", "\\t": "\t"}


class Quote(StrEnum):
    """Whether a double quote encloses a cell, or is a character like every other."""

    DOUBLE = "double"
    NONE = "none"


class Dialect(NamedTuple):
    """The dialect of a CSV. An empty ``encoding`` means UTF-8, or the one that the file shows.

    With ``names_delimiter`` the first line is ``sep=;``, as Excel reads and other programs write
    it.
    """

    delimiter: str = ","
    quote: Quote = Quote.DOUBLE
    encoding: str = ""
    names_delimiter: bool = False

    def of_file(self, name: str) -> "Dialect":
        """Return the dialect with tabs between cells if the file's name says so.

        A delimiter other than the default was given, and is kept.
        """
        says_tab = name.lower().removesuffix(".gz").endswith((".tsv", ".tab"))
        is_default = self.delimiter == DEFAULT_DIALECT.delimiter
        return self._replace(delimiter="\t") if says_tab and is_default else self


DEFAULT_DIALECT: Final = Dialect()


def delimiter_of(text: str) -> str:
    """Return the character that ``text`` names: itself, or ``tab``; raise UsageError."""
    delimiter = _DELIMITER_WORDS.get(text, text)
    if not is_delimiter(delimiter):
        raise UsageError(
            f"the delimiter {text!r} must be one ASCII character other than a quote "
            "or a line break, or the word tab"
        )
    return delimiter


def is_delimiter(text: str) -> bool:
    """Return whether a text is one character that can separate cells."""
    return len(text) == 1 and text.isascii() and text not in '"\r\n\0'
