"""Places in a sheet, as people name them: ``Sheet1!C4117``."""

import re
from typing import Final, NamedTuple

_PLAIN: Final = re.compile(r"[^\W\d]\w*")
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


class Place(NamedTuple):
    """The place of a cell; both numbers begin with 0."""

    row: int
    column: int

    @property
    def reference(self) -> str:
        """The place as ``C4117``."""
        return f"{letters_of(self.column)}{self.row + 1}"

    def of_sheet(self, sheet: str) -> str:
        """Return the place as ``Sheet1!C4117``; other names than words are quoted."""
        name = sheet if _PLAIN.fullmatch(sheet) else "'" + sheet.replace("'", "''") + "'"
        return f"{name}!{self.reference}"


def letters_of(column: int) -> str:
    """Return the letters of a column: A for 0, AA for 26."""
    letters = ""
    number = column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def place_of(reference: str) -> Place | None:
    """Return the place of a reference such as ``C4117``, or None for another text."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return None
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return Place(int(match[2]) - 1, column - 1)
