"""Report in which columns a spreadsheet program may have changed what people typed."""

from typing import Any, Final

from tasks_lib.domain.names import counted, visible
from tasks_lib.intake.workbooks.cell_marks import CellMarks
from tasks_lib.intake.workbooks.cells import Place

_EXACT: Final = 10**15
"""Spreadsheet programs keep 15 digits of a number."""


class ExcelChanges:
    """Counts the kinds of a sheet's values by column, and says what they mean."""

    def __init__(self, sheet: str) -> None:
        self._sheet = sheet
        self._kinds: dict[str, dict[str, tuple[int, Place]]] = {}

    def note(self, column: str, place: Place, value: Any) -> None:
        """Note the value of a cell."""
        kinds = self._kinds.setdefault(column, {})
        kind = _kind_of(value)
        _count(kinds, kind, place)
        if kind == "number" and abs(value) >= _EXACT:
            _count(kinds, "long", place)

    def sentences(self, marks: CellMarks) -> list[str]:
        """Return a sentence for each suspicion, column by column."""
        found = []
        for name, kinds in self._kinds.items():
            shown = f"column {visible(name)}"
            if "text" in kinds and "number" in kinds:
                found.append(
                    f"{shown} has {self._list(kinds, 'number', 'text')}; codes that became "
                    "numbers have lost their leading zeros"
                )
            if "text" in kinds and "date" in kinds:
                found.append(
                    f"{shown} has {self._list(kinds, 'date', 'text')}; texts such as MAR1 may "
                    "have become dates"
                )
            if "long" in kinds:
                number, first = kinds["long"]
                found.append(
                    f"{shown} has {counted(number, 'number')} of more than 15 digits, the first "
                    f"in {first.of_sheet(self._sheet)}; all further digits were replaced by zeros"
                )
            column = next(iter(kinds.values()))[1].column
            if "number" in kinds and (zeros := marks.zeros.get(column)) is not None:
                first, code = zeros
                found.append(
                    f"{shown} is shown with leading zeros, in the format {code}, which its numbers "
                    f"do not have, the first in {first.of_sheet(self._sheet)}"
                )
        return found

    def _list(self, kinds: dict[str, tuple[int, Place]], *wanted: str) -> str:
        return " and ".join(
            f"{counted(kinds[kind][0], kind)} (first {kinds[kind][1].of_sheet(self._sheet)})"
            for kind in wanted
        )


def _count(kinds: dict[str, tuple[int, Place]], kind: str, place: Place) -> None:
    number, first = kinds.get(kind, (0, place))
    kinds[kind] = (number + 1, first)


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case dict():
            return "date"
    return "text"
