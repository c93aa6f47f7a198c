"""Find errors and merged cells in a sheet of an ODS workbook."""

import re
from typing import IO, Final
from xml.parsers import expat

from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.workbooks.cells import Place

_ERROR: Final = re.compile(r"#(REF!|N/A|DIV/0!|NAME\?|VALUE!|NUM!|NULL!)|Err:[0-9]{3}")
_CHUNK: Final = 2**18


def find_ods_marks(
    content: IO[bytes], sheet: str, most: int
) -> tuple[dict[Place, str], dict[int, tuple[Place, str]], list[tuple[Place, Place]]]:
    """Return the errors and the merged ranges of a sheet, see ``CellMarks``."""
    search = _Search(sheet, most)
    parser = expat.ParserCreate()
    parser.StartElementHandler = search.start
    parser.EndElementHandler = search.end
    parser.CharacterDataHandler = search.add_text
    parser.buffer_text = True
    try:
        while block := content.read(_CHUNK):
            parser.Parse(block)
        parser.Parse(b"", True)  # noqa: FBT003 - the end
    except expat.ExpatError as error:
        message = f"the workbook is damaged: {error}; save it again"
        raise SourceProblemError(Problem("not_workbook", message)) from None
    return search.errors, {}, search.merged


class _Search:
    def __init__(self, sheet: str, most: int) -> None:
        self.errors: dict[Place, str] = {}
        self.merged: list[tuple[Place, Place]] = []
        self._sheet = sheet
        self._most = most
        self._is_inside = False
        self._row = self._column = 0
        self._repeated_rows = self._repeated = 1
        self._has_formula = False
        self._text: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name:
            case "table:table":
                self._is_inside = attributes.get("table:name") == self._sheet
                self._row = 0
            case "table:table-row":
                self._column = 0
                self._repeated_rows = int(attributes.get("table:number-rows-repeated", 1))
            case "table:table-cell" | "table:covered-table-cell":
                self._repeated = int(attributes.get("table:number-columns-repeated", 1))
                if self._is_inside:
                    self._has_formula = "table:formula" in attributes
                    self._text = []
                    self._merge(attributes)

    def _merge(self, attributes: dict[str, str]) -> None:
        columns = int(attributes.get("table:number-columns-spanned", 1))
        rows = int(attributes.get("table:number-rows-spanned", 1))
        if (columns > 1 or rows > 1) and len(self.merged) < self._most:
            place = Place(self._row, self._column)
            self.merged.append((place, Place(place.row + rows - 1, place.column + columns - 1)))

    def end(self, name: str) -> None:
        match name:
            case "table:table":
                self._is_inside = False
            case "table:table-row":
                self._row += self._repeated_rows
            case "table:table-cell" | "table:covered-table-cell":
                self._check_cell()
                self._column += self._repeated

    def add_text(self, text: str) -> None:
        if self._text is not None and len(self._text) < 2:
            self._text.append(text)

    def _check_cell(self) -> None:
        text = "".join(self._text or ())
        self._text = None
        if not self._has_formula or not _ERROR.fullmatch(text):
            return
        for row in range(self._repeated_rows):
            for column in range(self._repeated):
                if len(self.errors) > self._most:
                    return
                place = Place(self._row + row, self._column + column)
                self.errors[place] = f"the error {text}; correct its formula"
