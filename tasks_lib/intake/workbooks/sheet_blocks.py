"""Read the rows of a sheet below its header, block by block: each row a JSON object.

Empty cells are null. Texts, numbers and booleans stay what they are; dates and times become texts
as ISO 8601. Rows are numbered from 1 below the header; empty ones have no number.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tasks_lib.domain.datasets import NamedColumn, name_columns, pick_columns
from tasks_lib.domain.fields import ERRORS_NAME, FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.names import counted, visible
from tasks_lib.domain.rows.json_rows import json_text
from tasks_lib.domain.rows.sql_rows import json_row
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.datasets.block_builder import BlockBuilder
from tasks_lib.intake.datasets.record_blocks import ColumnTypes, check_table
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.intake.rows.limit_problems import row_too_large
from tasks_lib.intake.rows.rejects import marked_problem
from tasks_lib.intake.workbooks.cell_marks import CellMarks, check_parts, find_marks
from tasks_lib.intake.workbooks.cells import Place
from tasks_lib.intake.workbooks.excel_changes import ExcelChanges
from tasks_lib.intake.workbooks.sheet_process import SheetName, reading_workbook

_TYPES: Final = {
    str: FieldType.TEXT,
    int: FieldType.INTEGER,
    float: FieldType.NUMBER,
    bool: FieldType.BOOLEAN,
}
_MOMENTS: Final = {"date": FieldType.DATE, "datetime": FieldType.DATETIME}


def sheet_blocks(
    path: Path,
    limits: Limits,
    types: ColumnTypes,
    *,
    sheet: str,
    columns: Sequence[str],
    warnings: list[str],
) -> Iterator[CheckedBlock]:
    """Yield the rows of a sheet; without a name, of the only one that is not hidden.

    ``columns`` are those to read. Raises SourceProblemError.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    if is_archive:  # an encrypted workbook is no archive; the engine says so
        check_parts(path, limits)
    with reading_workbook(path, limits) as process:
        name = _choose(process.sheets, sheet, warnings)
        marks = find_marks(path, name, limits)
        rows = enumerate(process.rows(name))
        top, header = next((row for row in rows if _has_values(row[1])), (0, []))
        if not header:
            raise SourceProblemError(Problem("no_rows", f"sheet {visible(name)} is empty"))
        table = _Table(name, process.first_column, marks, limits, types)
        table.read_header(top, header, columns, warnings)
        block, number = BlockBuilder(), 0
        for row, cells in rows:
            if not _has_values(cells) and row not in table.errors:
                continue
            number += 1
            table.read_row(block, number, row, cells)
            if block.is_full:
                yield block.finish(size * row // max(1, process.height))
                block = BlockBuilder()
        yield block.finish(size)
        warnings.extend(table.warnings)


def _choose(sheets: Sequence[SheetName], wanted: str, warnings: list[str]) -> str:
    names = [sheet.name for sheet in sheets]
    visible_names = [sheet.name for sheet in sheets if sheet.is_visible]
    listed = ", ".join(map(visible, names))
    if wanted:
        if wanted in names:
            return wanted
        message = f"the workbook has no sheet {visible(wanted)}, but {listed}"
        raise SourceProblemError(Problem("sheet_not_found", message))
    if len(visible_names) != 1:
        message = f"the workbook has {len(names)} sheets; give one of {listed} as sheet"
        raise SourceProblemError(Problem("sheet_not_found", message))
    if len(names) > 1:
        hidden = ", ".join(visible(sheet.name) for sheet in sheets if not sheet.is_visible)
        warnings.append(f"hidden sheets were left out: {hidden}; give one as sheet to import it")
    return visible_names[0]


class _Table:
    """The columns of a sheet, and what its cells have shown so far."""

    def __init__(
        self, sheet: str, first_column: int, marks: CellMarks, limits: Limits, types: ColumnTypes
    ) -> None:
        self._sheet = sheet
        self._first_column = first_column
        self._marks = marks
        self._limits = limits
        self._types = types
        self._columns: list[tuple[int, NamedColumn]] = []
        self._changes = ExcelChanges(sheet)
        self._header = 0
        self._beyond: set[int] = set()
        self._notes: list[str] = []
        self.errors: dict[int, list[Place]] = {}
        for place in sorted(marks.errors):
            self.errors.setdefault(place.row, []).append(place)

    @property
    def warnings(self) -> list[str]:
        """The columns in which a spreadsheet program may have changed values."""
        return self._changes.sentences(self._marks)

    def read_header(
        self, row: int, cells: Sequence[Any], wanted: Sequence[str], warnings: list[str]
    ) -> None:
        """Name the columns; those without a name are used once they have a value."""
        for cell in self.errors.get(row, ()):
            message = f"{self._cell(cell)}, in the header, holds {self._marks.errors[cell]}"
            raise SourceProblemError(Problem("cell_error", message))
        named = name_columns([_header_text(cell) for cell in cells])
        names = pick_columns([column.name for column in named], wanted)
        check_table([c.name for c in named if c.name in names and not c.is_nameless], self._limits)
        self._columns = [(place, c) for place, c in enumerate(named) if c.name in names]
        for place, column in self._columns:
            if not column.is_nameless or column.name in wanted:
                self._types[column.name] = set()
                if column.warning:
                    warnings.append(self._warn(row, place, column))
        found = [column.name for column in named]
        if ERRORS_NAME in found:  # rejected rows, whose cells beyond the header are behind it
            last = found.index(ERRORS_NAME)
            self._beyond = {place for place, c in self._columns if c.is_nameless and place > last}
        self._header = row
        self._notes = warnings
        ranges = [corners for corners in self._marks.merged if corners[1].row >= row]
        if ranges:
            start, end = ranges[0]
            warnings.append(
                f"{counted(len(ranges), 'range')} of cells are merged, such as "
                f"{self._cell(start)}:{end.reference}; only the first cell of each has the value"
            )

    def read_row(self, block: BlockBuilder, number: int, row: int, cells: Sequence[Any]) -> None:
        """Add a row to the block, or reject it there."""
        problems = []
        values: dict[str, Any] = {}
        for place, column in self._columns:
            wrong = self._check_cell(row, place, cells[place])
            if wrong is not None:
                problems.append(wrong._replace(row=number))
            elif cells[place] != "":
                self._note(row, place, column, cells[place])
                values[column.name] = _plain(cells[place])
            elif not column.is_nameless:
                values[column.name] = None
        marked = marked_problem(str(values.get(ERRORS_NAME) or ""), number)
        if marked is not None:
            problems.append(marked)
        try:
            text = json_text(json_row(list(values), list(values.values())))
        except ValueProblemError as problem:
            message = f"row {row + 1} of sheet {visible(self._sheet)}: {problem}"
            problems.append(Problem(problem.code, message, number))
        else:
            if len(text.encode()) > self._limits.max_row_bytes:
                problems.append(row_too_large(self._limits, number, subject="the row"))
        if problems:
            block.reject(number, *problems)
        else:
            block.add(number, text)

    def _check_cell(self, row: int, place: int, value: Any) -> Problem | None:
        cell = Place(row, place + self._first_column)
        if cell in self._marks.errors:
            message = f"{self._cell(cell)} holds {self._marks.errors[cell]}"
            return Problem("cell_error", message)
        if value != "" and place in self._beyond:
            message = f"{self._cell(cell)} is beyond the header; move it to where it belongs"
            return Problem("too_many_cells", message)
        return None

    def _note(self, row: int, place: int, column: NamedColumn, value: Any) -> None:
        types = self._types.get(column.name)
        if types is None:
            types = self._types[column.name] = set()
            check_table(list(self._types), self._limits)
            self._notes.append(self._warn(self._header, place, column))
        types.add(_type_of(value))
        self._changes.note(column.name, Place(row, place + self._first_column), value)

    def _warn(self, row: int, place: int, column: NamedColumn) -> str:
        return f"{self._cell(Place(row, place + self._first_column))}: {column.warning}"

    def _cell(self, place: Place) -> str:
        return place.of_sheet(self._sheet)


def _has_values(cells: Sequence[Any]) -> bool:
    return any(cell != "" for cell in cells)


def _header_text(cell: Any) -> str:
    return cell if isinstance(cell, str) else str(_plain(cell))


def _plain(value: Any) -> Any:
    """Return a cell as a value of JSON; numbers have at most 15 digits, so whole ones are exact."""
    if isinstance(value, dict):
        [text] = value.values()
        return text
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))
    return value


def _type_of(value: Any) -> FieldType:
    if isinstance(value, dict):
        [kind] = value
        return _MOMENTS.get(kind, FieldType.TEXT)
    return _TYPES[type(_plain(value))]
